// Whether what is sent to this end arrives: the end asks itself

package link

import (
	"strings"
	"sync/atomic"
)

// hearing knows whether anything comes. A connection may look well and carry nothing: the network may
// have forgotten it, and TCP finds that out only after minutes.
type hearing struct {
	l      *Link
	asking atomic.Bool // a question has yet to leave
	denied atomic.Bool // the server does not let the end ask itself: then it cannot tell
}

// Heard is how many messages the reader has taken. known is false if the end cannot find out whether anything comes.
func (h *hearing) Heard() (n uint64, known bool) { return h.l.came.Load(), !h.denied.Load() }

// AskItself sends a message to this end. If that was in vain, a connection of our own is made anew.
func (h *hearing) AskItself(again bool) {
	switch l := h.l; {
	case !l.Up() || l.Closed(): // nothing arrives, and nats.go looks for a server
	case again && l.own():
		l.opts.Log.Warn("nothing comes over the NATS connection: connecting to another server")
		l.start(func() { _ = l.Conn().ForceReconnect() }) // ends when nats.go has taken note
	case h.asking.CompareAndSwap(false, true): // else the last has not left yet
		l.start(func() { // ends when nats.go has taken the message
			_ = l.Conn().Publish(l.self, nil) // what fails does not come
			h.asking.Store(false)
		})
	}
}

// deny notes that the server refuses a message of this end to itself.
func (h *hearing) deny(text string, err error) {
	if strings.Contains(text, "Publish to ") && strings.Contains(text, h.l.self) && !h.denied.Swap(true) {
		h.l.opts.Log.Error("not permitted to publish to its own inbox: this end does not notice a connection over which nothing comes", "error", err)
	}
}
