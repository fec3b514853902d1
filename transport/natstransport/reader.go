// The connection's one reader, and the next one if code that it calls has ended it

package natstransport

import (
	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/sparse"
)

// read hands on every message of the connection. It never blocks.
func (t *Transport) read() {
	over := false
	defer func() {
		if over {
			close(t.ended)
			return
		}
		// Code of the application's, its metrics say, has ended this goroutine. A
		// connection without a reader is deaf, and says nothing: another one goes on.
		t.log.Error("the application's code has ended the connection's reader: another reader goes on", sparse.Panic("runtime.Goexit"))
		t.running.Go(t.read)
	}()
	if t.handing.msg != nil {
		t.handOn()
	}
	takeReplies(t)
	t.catchUp()
	for m := range t.in {
		if m == nil {
			over = true
			return
		}
		t.take(len(m.Data))
		if m.Sub != nil {
			t.hearing.came.Add(1)
			t.ears.of(m.Sub).take(m)
			continue
		}
		t.mu.Lock()
		mark := t.marks[0]
		t.marks = t.marks[1:]
		t.mu.Unlock()
		mark()
	}
}

// readUpToHere returns when the reader has handed on what came before, or has
// ended.
func (t *Transport) readUpToHere() { t.onReader(func() {}) }

// handing is how far the reader has come with the envelopes of a message. If code of the
// application ends the reader's goroutine, the next reader goes on from there.
type handing struct {
	msg  *nats.Msg // nil: with none
	next int
	bad  error // of an envelope before: our senders send none, and what comes behind is not looked at

	accepted []ids // of notifications, which are told when the whole message was handed on
}

// ids are first, and so many behind it.
type ids struct{ first, further uint64 }

// accept notes that a notification was accepted.
func (h *handing) accept(id uint64) {
	if n := len(h.accepted) - 1; n >= 0 && h.accepted[n].first+h.accepted[n].further+1 == id {
		h.accepted[n].further++
		return
	}
	h.accepted = append(h.accepted, ids{first: id})
}
