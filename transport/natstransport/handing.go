// How far the reader has come with a message

package natstransport

import "github.com/nats-io/nats.go"

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
