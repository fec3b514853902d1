// Things by their last use, as a heap whose order is mended when it is read

package host

import "container/heap"

// lazyHeap has the least recently used thing on top. Its order is mended only when it
// is read, so a delivery stores a number in its cell and touches nothing that another key's
// delivery touches. The age that the heap knows of a thing is never too young. So the top
// is the oldest thing as soon as its age in the heap is up to date.
type lazyHeap[T ageing] struct{ things []T }

// ageing has an age: a moment of its last use.
type ageing interface {
	age() int64
	entry() *heapEntry
}

// heapEntry is what a heap knows of a thing.
type heapEntry struct {
	listed int64 // its age
	place  int
}

// oldest returns the thing that was last used before all others, and its age. It may be one
// whose age is never, which must be removed then. ok is false if there is nothing.
func (h *lazyHeap[T]) oldest() (t T, age int64, ok bool) {
	for len(h.things) > 0 {
		t = h.things[0]
		if age = t.age(); age == t.entry().listed || age == never {
			return t, age, true
		}
		t.entry().listed = age
		heap.Fix(h, 0)
	}
	var none T
	return none, never, false
}

// bound is a moment that nothing was last used before; never without a thing.
func (h *lazyHeap[T]) bound() int64 {
	if len(h.things) == 0 {
		return never
	}
	return h.things[0].entry().listed
}

func (h *lazyHeap[T]) add(t T) {
	t.entry().listed = t.age()
	heap.Push(h, t)
}

func (h *lazyHeap[T]) remove(t T) { heap.Remove(h, t.entry().place) }

func (h *lazyHeap[T]) Len() int { return len(h.things) }

func (h *lazyHeap[T]) Less(i, j int) bool {
	return h.things[i].entry().listed < h.things[j].entry().listed
}

func (h *lazyHeap[T]) Swap(i, j int) {
	t := h.things
	t[i], t[j] = t[j], t[i]
	t[i].entry().place, t[j].entry().place = i, j
}

func (h *lazyHeap[T]) Push(x any) {
	t := x.(T)
	t.entry().place = len(h.things)
	h.things = append(h.things, t)
}

func (h *lazyHeap[T]) Pop() any {
	n := len(h.things) - 1
	t := h.things[n]
	clear(h.things[n:])
	h.things = h.things[:n]
	if cap(h.things) > 64 && n < cap(h.things)/4 {
		h.things = append(make([]T, 0, 2*n), h.things...)
	}
	return t
}
