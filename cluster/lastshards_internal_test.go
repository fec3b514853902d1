package cluster

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/clstr-go/clstr/sharding"
)

// TestLastShards: a client's keys have the shards that the layout gives them, however often and with however many
// others they come.
func TestLastShards(t *testing.T) {
	m := newMapping(sharding.Layout{NumShards: 512, Seed: "x"})
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for i := range 10_000 {
				key := fmt.Sprint("key-", i*(g+1)%(1+i%9000))
				if i%100 == 0 {
					key = strings.Repeat(key, 20)
				}
				for range 1 + i%3 {
					if got, want := m.shard(key), m.layout.Shard(key); got != want {
						t.Errorf("%s: shard %d, want %d", key, got, want)
						return
					}
				}
			}
		})
	}
	all.Wait()
}

// TestLastShardsRemember: a key that comes again is hashed twice, and costs no memory from then on. Keys that never come again
// cost none.
func TestLastShardsRemember(t *testing.T) {
	m := newMapping(sharding.Layout{NumShards: 512})
	hashed := 0
	hash := func(key string) uint32 { hashed++; return m.layout.Shard(key) }
	for range 100 {
		m.last.of("a", hash)
	}
	if hashed != 2 {
		t.Errorf("a key was hashed %d times", hashed)
	}
	for i := range 5 * len(m.last.places) {
		m.last.of(fmt.Sprint("key-", i), hash)
	}
	remembered := 0
	for i := range m.last.places {
		if m.last.places[i].key.Load() != nil {
			remembered++
		}
	}
	if remembered != 1 {
		t.Errorf("%d keys are remembered", remembered)
	}
}

func BenchmarkLastShards(b *testing.B) {
	m := newMapping(sharding.Layout{NumShards: 512})
	b.Run("again", func(b *testing.B) {
		for b.Loop() {
			m.shard("user-12345")
		}
	})
	b.Run("hashed", func(b *testing.B) {
		for b.Loop() {
			m.layout.Shard("user-12345")
		}
	})
	b.Run("never again", func(b *testing.B) {
		keys := make([]string, 1<<16)
		for i := range keys {
			keys[i] = fmt.Sprint("user-", i)
		}
		i := 0
		for b.Loop() {
			m.shard(keys[i%len(keys)])
			i++
		}
	})
}
