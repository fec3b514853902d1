// The line of waiting tasks

package pool

// fifo is a queue in a ring that grows by doubling and is given back when it
// has emptied after a peak.
type fifo[T any] struct {
	ring []T
	head int
	n    int
}

// keepRing is the ring that an empty queue keeps.
const keepRing = 64

func (f *fifo[T]) len() int { return f.n }

func (f *fifo[T]) push(t T) {
	if f.n == len(f.ring) {
		grown := make([]T, max(8, 2*f.n))
		for i := range f.n {
			grown[i] = f.ring[(f.head+i)%len(f.ring)]
		}
		f.ring, f.head = grown, 0
	}
	f.ring[(f.head+f.n)%len(f.ring)] = t
	f.n++
}

func (f *fifo[T]) pop() (t T, ok bool) {
	if f.n == 0 {
		return t, false
	}
	var zero T
	t = f.ring[f.head]
	f.ring[f.head] = zero
	f.head = (f.head + 1) % len(f.ring)
	f.n--
	if f.n == 0 && len(f.ring) > keepRing {
		f.ring = nil
	}
	return t, true
}
