// Whether what is sent to this end arrives: the end asks itself

package natstransport

import (
	"strings"
	"sync/atomic"

	"github.com/clstr-go/clstr/internal/dispatch"
)

var _ dispatch.Hearer = (*hearing)(nil)

// selfToken ends the subject on which the end asks itself, below its inbox.
const selfToken = ".self"

// hearing knows whether anything comes. A connection may look well and carry nothing: the network may
// have forgotten it, and TCP finds that out only after minutes.
type hearing struct {
	t      *Transport
	asking atomic.Int32 // questions that wait to be sent
	denied atomic.Bool  // the server does not let the end ask itself: then it cannot tell
}

// Heard implements [dispatch.Hearer].
func (h *hearing) Heard() (n uint64, known bool) {
	return h.t.link.Came(), !h.denied.Load()
}

// AskItself implements [dispatch.Hearer].
func (h *hearing) AskItself(again bool) {
	switch t := h.t; {
	case !t.link.Up() || t.link.Closed(): // nothing arrives, and nats.go looks for a server
	case again && t.link.Reconnect():
		t.log.Warn("nothing comes over the NATS connection: connecting to another server")
	case h.asking.CompareAndSwap(0, 1): // else the last has not left yet
		t.later(t.inbox+selfToken, nil, &h.asking)
	}
}

// Refused implements [dispatch.Hearer].
func (h *hearing) Refused() error {
	return h.t.link.Refused(&h.t.ears.node)
}

// deny notes that the server refuses a message of this end to itself.
func (h *hearing) deny(text string, err error) {
	if strings.Contains(text, "Publish to ") && strings.Contains(text, h.t.inbox+selfToken) && !h.denied.Swap(true) {
		h.t.log.Error("not permitted to publish to its own inbox: this end does not notice a connection over which nothing comes", "error", err)
	}
}
