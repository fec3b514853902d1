// The messages of a mailbox

package host

// queue is a mailbox's messages. The first one lies in the queue itself, so
// that a key that has never had two waiting has allocated nothing.
type queue struct {
	first any
	rest  []any // rest[head:] follows first
	head  int
}

func (q *queue) len() int {
	if q.first == nil {
		return 0
	}
	return 1 + len(q.rest) - q.head
}

// all reports whether f holds for every message.
func (q *queue) all(f func(any) bool) bool {
	if q.first == nil {
		return true
	}
	if !f(q.first) {
		return false
	}
	for _, m := range q.rest[q.head:] {
		if !f(m) {
			return false
		}
	}
	return true
}

// take takes the messages for which f holds; the others keep their order.
func (q *queue) take(f func(any) bool) (taken []any) {
	for range q.len() {
		if m := q.pop(); f(m) {
			taken = append(taken, m)
		} else {
			q.push(m)
		}
	}
	return taken
}

func (q *queue) push(m any) {
	if q.first == nil {
		q.first = m
		return
	}
	if q.head > 32 && q.head > len(q.rest)/2 { // mostly popped: move down in place
		n := copy(q.rest, q.rest[q.head:])
		clear(q.rest[n:])
		q.rest, q.head = q.rest[:n], 0
	}
	q.rest = append(q.rest, m)
}

// pop returns nil when the queue is empty, and gives back the room that a peak
// has taken.
func (q *queue) pop() any {
	m := q.first
	q.first = nil
	if q.head < len(q.rest) {
		q.first = q.rest[q.head]
		q.rest[q.head] = nil
		q.head++
	}
	if q.head == len(q.rest) {
		q.rest, q.head = q.rest[:0], 0
		if q.first == nil {
			q.rest = nil
		}
	}
	return m
}
