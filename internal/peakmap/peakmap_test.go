package peakmap

import (
	"maps"
	"math/rand/v2"
	"testing"
)

// TestIsAMap compares with a map of Go's, at every size.
func TestIsAMap(t *testing.T) {
	var m Map[int, int]
	want := map[int]int{}
	r := rand.New(rand.NewPCG(1, 2))
	for step := range 200_000 {
		k := r.IntN(4 * small)
		if grows := step/20_000%2 == 0; grows == (r.IntN(10) > 0) {
			m.Set(k, step+1)
			want[k] = step + 1
		} else {
			m.Delete(k)
			delete(want, k)
		}
		if v, ok := m.Get(k); v != want[k] || ok != (want[k] != 0) || m.Len() != len(want) {
			t.Fatalf("step %d: %d, %v of %d; want %d of %d", step, v, ok, m.Len(), want[k], len(want))
		}
		if step%1000 == 0 && !maps.Equal(maps.Collect(m.All()), want) {
			t.Fatalf("step %d: other entries", step)
		}
	}
}

// TestDeleteWhileYielding: each entry is yielded once, whatever is given back meanwhile.
func TestDeleteWhileYielding(t *testing.T) {
	var m Map[int, int]
	for k := range 8 * small {
		m.Set(k, k)
	}
	seen := map[int]bool{}
	for k := range m.All() {
		if seen[k] {
			t.Fatalf("%d is yielded twice", k)
		}
		seen[k] = true
		if k%16 != 0 {
			m.Delete(k)
		}
	}
	if len(seen) != 8*small || m.Len() != small/2 {
		t.Errorf("%d were yielded, %d are left", len(seen), m.Len())
	}
}

// TestRoomIsGivenBack: what is left of a peak has the room that it needs.
func TestRoomIsGivenBack(t *testing.T) {
	var m Map[int, int]
	for range 3 {
		for k := range 64 * small {
			m.Set(k, k)
		}
		copies, before := 0, m.peak
		for k := range 64 * small {
			m.Delete(k)
			if m.peak != before {
				copies, before = copies+1, m.peak
			}
			if m.Room() > small && m.Room() > 4*m.Len()+4 {
				t.Fatalf("room for %d entries is kept for %d", m.Room(), m.Len())
			}
		}
		if copies == 0 || copies > 8 {
			t.Errorf("it was copied %d times", copies)
		}
	}
}
