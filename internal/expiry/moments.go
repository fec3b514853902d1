// Deadlines of any length, in a heap

package expiry

// AddAt is [Set.Add] for a thing that ends at a moment of its own, and not a fixed
// time after another. It costs a few comparisons more.
func (s *Set) AddAt(n *Node, owner Expirer, moment int64) {
	s.put(n, owner, len(s.lanes[0].classes)-1, moment)
}

// moments is a heap of nodes by their moments: each node knows its place in it, so
// that it can leave.
type moments []*Node

func (h *moments) push(n *Node) {
	n.index = len(*h)
	*h = append(*h, n)
	h.up(n.index)
}

func (h *moments) remove(n *Node) {
	old := *h
	i, last := n.index, len(old)-1
	h.swap(i, last)
	old[last] = nil
	*h = old[:last]
	if i < last && !h.up(i) {
		h.down(i)
	}
	h.shrink()
}

// shrink gives back the room of a peak.
func (h *moments) shrink() {
	if c := cap(*h); c > 64 && len(*h) < c/4 {
		*h = append(make(moments, 0, c/2), *h...)
	}
}

func (h moments) swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// up moves a node to its place among those before it; it reports whether that was
// another.
func (h moments) up(i int) (moved bool) {
	for i > 0 {
		parent := (i - 1) / 2
		if h[parent].at <= h[i].at {
			break
		}
		h.swap(i, parent)
		i, moved = parent, true
	}
	return moved
}

func (h moments) down(i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(h); child++ {
			if h[child].at < h[least].at {
				least = child
			}
		}
		if least == i {
			return
		}
		h.swap(i, least)
		i = least
	}
}
