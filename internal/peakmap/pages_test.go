package peakmap

import (
	"maps"
	"math/rand/v2"
	"testing"
)

// TestPagesAreAMap compares with a map of Go's: ids that come one after the other, old ones that go in any order, and
// strange ones.
func TestPagesAreAMap(t *testing.T) {
	var p Pages[int]
	want := map[uint64]*int{}
	r := rand.New(rand.NewPCG(1, 2))
	next := uint64(0)
	for step := range 100_000 {
		switch k := next - uint64(r.IntN(300)); r.IntN(8) {
		case 0, 1, 2:
			next++
			p.Set(next, &step)
			want[next] = &step
		case 3:
			p.Set(k, &step) // below 0 too: the highest numbers
			want[k] = &step
		case 4, 5:
			p.Delete(k)
			delete(want, k)
		case 6:
			if got := p.Get(k); got != want[k] {
				t.Fatalf("step %d: %d has %v, want %v", step, k, got, want[k])
			}
		case 7:
			if step%100 != 0 {
				continue
			}
			if all := maps.Collect(p.All()); !maps.Equal(all, want) || p.Len() != len(want) {
				t.Fatalf("step %d: %d entries of %d, want %d", step, len(all), p.Len(), len(want))
			}
			for k := range p.All() {
				if r.IntN(4) == 0 {
					p.Delete(k)
					delete(want, k)
				}
			}
		}
	}
	for k := range p.All() {
		p.Delete(k)
	}
	if n := p.pages.Len(); n > 1 || p.Len() != 0 {
		t.Errorf("%d empty pages are left, with %d entries", n, p.Len())
	}
}

// TestPagesOfALoneCaller: one entry at a time takes no new page, and no memory.
func TestPagesOfALoneCaller(t *testing.T) {
	var p Pages[int]
	v, id := new(int), uint64(0)
	if n := testing.AllocsPerRun(10*pageSize, func() {
		id++
		p.Set(id, v)
		p.Delete(id)
	}); n > 0 {
		t.Errorf("%v allocations an entry", n)
	}
	if n := p.pages.Len(); n != 1 {
		t.Errorf("%d pages", n)
	}
}

func BenchmarkOpenCalls(b *testing.B) {
	const window = 4096
	v := new(int)
	b.Run("map", func(b *testing.B) {
		var m Map[uint64, *int]
		for id := uint64(0); b.Loop(); id++ {
			m.Set(id, v)
			m.Delete(id - window)
		}
	})
	b.Run("pages", func(b *testing.B) {
		var p Pages[int]
		for id := uint64(0); b.Loop(); id++ {
			p.Set(id, v)
			p.Delete(id - window)
		}
	})
}
