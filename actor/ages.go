// The keys of a shard by last use

package actor

import "container/heap"

// ages is a shard's keys by their last use, as a heap whose order is mended only
// where it is read: a delivery stores a number in its cell and touches nothing
// that another key's delivery touches. A cell's listed is not younger than its
// used, so the top is the least recently used once its own listed is up to date.
// It is guarded by the shard's mu.
type ages struct{ cells []*cell }

// oldest returns the least recently used cell, nil if there is none.
func (a *ages) oldest() *cell {
	for len(a.cells) > 0 {
		c := a.cells[0]
		used := c.used.Load()
		if c.listed == used {
			return c
		}
		c.listed = used
		heap.Fix(a, 0)
	}
	return nil
}

// bound is a moment that no cell was last used before; never without a cell.
func (a *ages) bound() int64 {
	if len(a.cells) == 0 {
		return never
	}
	return a.cells[0].listed
}

func (a *ages) add(c *cell) {
	c.listed = c.used.Load()
	heap.Push(a, c)
}

func (a *ages) remove(c *cell) { heap.Remove(a, c.place) }

// Len implements heap.Interface.
func (a *ages) Len() int { return len(a.cells) }

// Less implements heap.Interface.
func (a *ages) Less(i, j int) bool { return a.cells[i].listed < a.cells[j].listed }

// Swap implements heap.Interface.
func (a *ages) Swap(i, j int) {
	a.cells[i], a.cells[j] = a.cells[j], a.cells[i]
	a.cells[i].place, a.cells[j].place = i, j
}

// Push implements heap.Interface.
func (a *ages) Push(x any) {
	c := x.(*cell)
	c.place = len(a.cells)
	a.cells = append(a.cells, c)
}

// Pop implements heap.Interface. The room of a peak is given back.
func (a *ages) Pop() any {
	n := len(a.cells) - 1
	c := a.cells[n]
	a.cells[n] = nil
	a.cells = a.cells[:n]
	if cap(a.cells) > 64 && n < cap(a.cells)/4 {
		a.cells = append(make([]*cell, 0, 2*n), a.cells...)
	}
	return c
}
