package shardtable

import (
	"math"
	"math/rand/v2"
	"sync"
	"testing"
)

func TestTableIsAMap(t *testing.T) {
	var table Table[int]
	want := map[uint32]*int{}
	shards := []uint32{0, 1, 511, 512, 513, 1<<20 - 1, 1 << 20, 1<<20 + 1, math.MaxUint32}
	for range 2000 {
		s := shards[rand.N(len(shards))]
		if rand.N(3) == 0 {
			table.Set(s, nil)
			delete(want, s)
		} else {
			v := new(int)
			table.Set(s, v)
			want[s] = v
		}
		for _, s := range shards {
			if got := table.Get(s); got != want[s] {
				t.Fatalf("Get(%d) = %p, want %p", s, got, want[s])
			}
		}
	}
}

// TestTableRaces: what one goroutine has set under its own shards stays, however
// many make pages at the same time.
func TestTableRaces(t *testing.T) {
	for range 50 {
		var table Table[uint32]
		var all sync.WaitGroup
		for g := range uint32(8) {
			all.Go(func() {
				for i := range uint32(200) {
					s := raced(g, i)
					table.Set(s, &s)
					if got := table.Get(s); got == nil || *got != s {
						t.Errorf("Get(%d) = %v", s, got)
					}
				}
			})
		}
		all.Wait()
		for g := range uint32(8) {
			for i := range uint32(200) {
				s := raced(g, i)
				if got := table.Get(s); got == nil || *got != s {
					t.Fatalf("Get(%d) = %v when all have ended", s, got)
				}
			}
		}
	}
}

// raced is the i-th shard of a goroutine of TestTableRaces.
func raced(g, i uint32) uint32 {
	s := i*8*97 + g
	if i%50 == 0 {
		s += 1 << 20
	}
	return s
}

func TestGetAllocatesNothing(t *testing.T) {
	var table Table[int]
	table.Set(4095, new(int))
	if n := testing.AllocsPerRun(100, func() { table.Get(4095); table.Get(100_000) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
