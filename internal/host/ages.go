// The keys of a host in the order of their last use

package host

import (
	"container/heap"
	"sync"
	"sync/atomic"
)

// ages has the keys of a host. It is a heap with the least recently used key on top. Its order is
// mended only when it is read. So a delivery stores a number in its cell, unless the key was the last
// that was used. Beside the clock it touches nothing that
// another key's delivery touches. The last use that the heap knows of a key is never too late. So
// the top is the oldest key as soon as its last use in the heap is up to date.
type ages struct {
	clock   atomic.Int64 // counts deliveries
	reading sync.Mutex   // held by the goroutine that looks for keys to stop; before the mailboxes' locks

	mu   sync.Mutex // the last of all; guards what is in the cells' places, too
	heap byUse
}

// place is a key's in the heap.
type place struct {
	used  int64 // the last use that the heap knows of
	index int
}

// use notes that a key is used now. If it was the last that was used, that is known already.
func (a *ages) use(c *cell) {
	if now := a.clock.Load(); now == 0 || c.used.Load() != now {
		a.note(c)
	}
}

// note notes that a key is used now, and later than all before.
func (a *ages) note(c *cell) { c.used.Store(a.clock.Add(1)) }

// now returns a moment of the clock that all later uses come after.
func (a *ages) now() int64 { return a.clock.Add(1) - 1 }

func (a *ages) add(c *cell) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c.place.used = c.used.Load()
	heap.Push(&a.heap, c)
}

func (a *ages) remove(c *cell) {
	a.mu.Lock()
	defer a.mu.Unlock()
	heap.Remove(&a.heap, c.place.index)
}

// set tells the heap when a key was last used, if the key is in it.
func (a *ages) set(c *cell, used int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if i := c.place.index; i < len(a.heap) && a.heap[i] == c {
		c.place.used = used
		heap.Fix(&a.heap, i)
	}
}

// oldest returns the key that was last used before all others, and when.
func (a *ages) oldest() (c *cell, used int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.heap) > 0 {
		c = a.heap[0]
		if used = c.used.Load(); used == c.place.used || c.place.used == never {
			return c, c.place.used
		}
		c.place.used = used
		heap.Fix(&a.heap, 0)
	}
	return nil, never
}

// never is the last use of a key that a reader has passed over, in the heap.
const never = 1<<63 - 1

// reader yields the keys that were last used by a moment, the oldest first. Each counts as used
// now, because a key that the reader's owner cannot stop is busy. A reader passes over keys that
// another node may own, because they could not save their state, and may be served again. It holds
// reading.
type reader struct {
	*ages
	until  int64
	lapsed []*cell // the keys that were passed over
}

// next returns nil if there is no such key.
func (r *reader) next() *cell {
	for {
		c, used := r.oldest()
		switch {
		case used > r.until:
			return nil
		case !c.shard.lapsed():
			r.note(c)
			return c
		}
		r.lapsed = append(r.lapsed, c)
		r.set(c, never)
	}
}

// end must be called after the last next.
func (r *reader) end() {
	for _, c := range r.lapsed {
		r.set(c, c.used.Load())
	}
}

// byUse implements heap.Interface.
type byUse []*cell

func (h byUse) Len() int { return len(h) }

func (h byUse) Less(i, j int) bool { return h[i].place.used < h[j].place.used }

func (h byUse) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place.index, h[j].place.index = i, j
}

func (h *byUse) Push(x any) {
	c := x.(*cell)
	c.place.index = len(*h)
	*h = append(*h, c)
}

// Pop gives back the room of a peak.
func (h *byUse) Pop() any {
	n := len(*h) - 1
	c := (*h)[n]
	(*h)[n] = nil
	*h = (*h)[:n]
	if cap(*h) > 64 && n < cap(*h)/4 {
		*h = append(make(byUse, 0, 2*n), *h...)
	}
	return c
}
