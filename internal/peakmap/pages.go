// Pages: a map from numbers that come one after the other

package peakmap

import "iter"

const pageSize = 64

// Pages is a map from numbers to pointers, for numbers that come mostly one after the other, as ids do: it looks up a page of
// them at a time. It is not safe for concurrent use. The zero value is empty.
type Pages[V any] struct {
	pages  Map[uint64, *page[V]] // those with entries, and the newest
	newest *page[V]              // which Set has used last
	spare  *page[V]
	length int
}

type page[V any] struct {
	number  uint64
	entries int
	at      [pageSize]*V
}

// Get returns what stands under k, or nil.
func (p *Pages[V]) Get(k uint64) *V {
	if g := p.page(k); g != nil {
		return g.at[k%pageSize]
	}
	return nil
}

func (p *Pages[V]) page(k uint64) *page[V] {
	if g := p.newest; g != nil && g.number == k/pageSize {
		return g
	}
	g, _ := p.pages.Get(k / pageSize)
	return g
}

// Set puts v, which is not nil, under k.
func (p *Pages[V]) Set(k uint64, v *V) {
	g := p.page(k)
	if g == nil {
		if g = p.spare; g == nil {
			g = new(page[V])
		}
		p.spare, g.number = nil, k/pageSize
		p.pages.Set(g.number, g)
	}
	if old := p.newest; old != g {
		p.newest = g
		p.drop(old)
	}
	if g.at[k%pageSize] == nil {
		g.entries++
		p.length++
	}
	g.at[k%pageSize] = v
}

// Delete removes what stands under k.
func (p *Pages[V]) Delete(k uint64) {
	if g := p.page(k); g != nil && g.at[k%pageSize] != nil {
		g.at[k%pageSize] = nil
		g.entries--
		p.length--
		p.drop(g)
	}
}

// drop removes a page without entries, unless it is the newest.
func (p *Pages[V]) drop(g *page[V]) {
	if g != nil && g.entries == 0 && g != p.newest {
		p.pages.Delete(g.number)
		p.spare = g
	}
}

// Len returns how many entries there are.
func (p *Pages[V]) Len() int { return p.length }

// Room returns how many entries there is room for, at least.
func (p *Pages[V]) Room() int { return p.pages.Len() * pageSize }

// All yields the entries in no order. The entry that was yielded last may be deleted.
func (p *Pages[V]) All() iter.Seq2[uint64, *V] {
	return func(yield func(uint64, *V) bool) {
		for number, g := range p.pages.All() {
			for i, v := range g.at {
				if v != nil && !yield(number*pageSize+uint64(i), v) {
					return
				}
			}
		}
	}
}
