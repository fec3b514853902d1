// Memory that payloads and replies of raw bytes are copied into

package dispatch

// room is memory that the small copies of a call are cut from, so that a payload and its reply, or two payloads one after the other,
// are one allocation. No place is given out twice, so code may keep a copy as long as it likes. One goroutine has the room at a time: the
// sender's until the call is handed to its receiver, and then the goroutine that answers with a reply.
type room struct {
	left  []byte
	whole int // the length of the piece that left is the rest of
}

// mostRoom bounds what is cut. A call that is over keeps the rest for the next one.
const mostRoom = 1 << 10

// copy returns a copy of b, with no room behind its end. A copy keeps at most four times its own bytes in memory, rounded up to
// words, and that much only after a much larger copy.
func (r *room) copy(b []byte) []byte {
	n := len(b)
	if n == 0 {
		return nil
	}
	step := (n + 7) &^ 7
	if n > mostRoom || n <= len(r.left) && r.whole > 4*step {
		c := make([]byte, n)
		copy(c, b)
		return c
	}
	if step > len(r.left) {
		r.whole = 2 * step
		r.left = make([]byte, r.whole)
	}
	c := r.left[:n:n]
	if r.left = r.left[step:]; len(r.left) == 0 {
		r.left = nil // an empty slice would keep all of it
	}
	copy(c, b)
	return c
}
