// A map that gives back the room of a peak

// Package peakmap has a map that gives back the room of a peak. A map of Go keeps, as long as it
// lives, the room for the most entries that it ever had. If a peer or shard makes its map
// large for a moment, the map would stay large for good.
//
//	var calls peakmap.Map[uint64, *call] // empty, and ready to use
//	calls.Set(id, c)
//	c, ok := calls.Get(id)
//	calls.Delete(id)
//
// [Pages] is such a map for ids that come one after the other. The tests are in peakmap_test.go and pages_test.go.
package peakmap

import (
	"iter"
	"maps"
)

// small is how many entries a map may have had without its room being given back.
const small = 256

// Map is not safe for concurrent use. The zero value is empty.
type Map[K comparable, V any] struct {
	m    map[K]V
	peak int // of its length, since it was made
}

// Get returns what stands under k.
func (m *Map[K, V]) Get(k K) (v V, ok bool) {
	v, ok = m.m[k]
	return v, ok
}

// Set puts v under k.
func (m *Map[K, V]) Set(k K, v V) {
	if m.m == nil {
		m.m = map[K]V{}
	}
	m.m[k] = v
	m.peak = max(m.peak, len(m.m))
}

// Delete removes what stands under k. When few entries are left after a peak, it copies them into a
// smaller map: each entry that goes pays for a part of a copy.
func (m *Map[K, V]) Delete(k K) {
	delete(m.m, k)
	if n := len(m.m); m.peak > small && n < m.peak/4 {
		rest := make(map[K]V, n)
		maps.Copy(rest, m.m)
		m.m, m.peak = rest, n
	}
}

// Len returns how many entries there are.
func (m *Map[K, V]) Len() int { return len(m.m) }

// Room returns how many entries there is room for, at least.
func (m *Map[K, V]) Room() int { return m.peak }

// All yields the entries in no order. The entry that was yielded last may be deleted.
func (m *Map[K, V]) All() iter.Seq2[K, V] { return maps.All(m.m) }
