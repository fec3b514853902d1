// A heap of things by their moments

package expiry

// due is a thing with its moment, which is read without a look at the thing.
type due struct {
	at   int64
	node *Node
}

// moments is a heap: each node knows its place in it, so that it can leave.
type moments []due

func (h *moments) push(d due) {
	*h = append(*h, d)
	h.up(len(*h) - 1)
}

func (h *moments) remove(i int) {
	old := *h
	last := len(old) - 1
	moved := old[last]
	old[last] = due{}
	*h = old[:last]
	if i < last {
		(*h)[i] = moved
		h.down(h.up(i))
	}
	if c := cap(old); c > 64 && last < c/4 { // gives back the room of a peak
		*h = append(make(moments, 0, c/2), *h...)
	}
}

// up moves a thing to its place among those before it, and returns the place.
func (h moments) up(i int) int {
	d := h[i]
	for i > 0 && h[(i-1)/2].at > d.at {
		h.set(i, h[(i-1)/2])
		i = (i - 1) / 2
	}
	h.set(i, d)
	return i
}

// down is up among those behind it.
func (h moments) down(i int) {
	d := h[i]
	for {
		child := 2*i + 1
		if child+1 < len(h) && h[child+1].at < h[child].at {
			child++
		}
		if child >= len(h) || h[child].at >= d.at {
			break
		}
		h.set(i, h[child])
		i = child
	}
	h.set(i, d)
}

func (h moments) set(i int, d due) {
	h[i] = d
	d.node.index = i
}
