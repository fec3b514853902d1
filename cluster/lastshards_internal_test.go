package cluster

import (
	"fmt"
	"hash/maphash"
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

// places is the index of a key's places.
func places(m *mapping, key string) uint64 {
	return maphash.String(m.last.seed, key) % uint64(len(m.last.places))
}

// TestLastShardsRemember: a key that comes again is hashed once. Keys that come once each do not take its place.
func TestLastShardsRemember(t *testing.T) {
	m := newMapping(sharding.Layout{NumShards: 512})
	hashed := 0
	hash := func(key string) uint32 { hashed++; return m.layout.Shard(key) }
	again := func(key string, times, want int) {
		t.Helper()
		hashed = 0
		for range times {
			m.last.of(key, hash)
		}
		if hashed != want {
			t.Errorf("%s was hashed %d times, want %d", key, hashed, want)
		}
	}
	again("a", 100, 1)
	for i := range 20 * len(m.last.places) {
		m.last.of(fmt.Sprint("key-", i), hash)
	}
	again("a", 100, 0)
	other := 0
	next := func() string { // a key of the same places
		for ; ; other++ {
			if key := fmt.Sprint("other-", other); places(m, key) == places(m, "a") {
				other++
				return key
			}
		}
	}
	for range 100 {
		again(next(), 100, 2)
	}
	again("a", 100, 2) // one of them has taken its place
}

// TestLastShardsRememberMany: nearly all keys find places, if they are half as many.
func TestLastShardsRememberMany(t *testing.T) {
	m := newMapping(sharding.Layout{NumShards: 512})
	hashed := 0
	const keys, rounds = 1000, 10
	for range rounds {
		for i := range keys {
			m.last.of(fmt.Sprint("key-", i), func(key string) uint32 { hashed++; return 0 })
		}
	}
	if most := keys + rounds*keys/10; hashed > most {
		t.Errorf("%d keys were hashed %d times in %d rounds, want at most %d", keys, hashed, rounds, most)
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
