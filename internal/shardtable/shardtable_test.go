package shardtable

import (
	"maps"
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
		if got := maps.Collect(table.All()); !maps.Equal(got, want) {
			t.Fatalf("All: %v, want %v", got, want)
		}
	}
}

func TestAllStops(t *testing.T) {
	var table Table[int]
	for _, s := range []uint32{1, 600, 1 << 21, 1 << 22} {
		table.Set(s, new(int))
	}
	for most := range 5 {
		n := 0
		for range table.All() {
			if n++; n >= most {
				break
			}
		}
		if want := max(1, most); n != min(want, 4) {
			t.Errorf("%d yielded, want %d", n, want)
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
					s := i*8*97 + g
					if i%50 == 0 {
						s += 1 << 20
					}
					table.Set(s, &s)
					if got := table.Get(s); got == nil || *got != s {
						t.Errorf("Get(%d) = %v", s, got)
					}
				}
			})
		}
		all.Wait()
		n := 0
		for s, v := range table.All() {
			if n++; s != *v {
				t.Errorf("%d under %d", *v, s)
			}
		}
		if n != 1600 {
			t.Errorf("%d of 1600 are there", n)
		}
	}
}

func TestGetAllocatesNothing(t *testing.T) {
	var table Table[int]
	table.Set(4095, new(int))
	if n := testing.AllocsPerRun(100, func() { table.Get(4095); table.Get(100_000) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
