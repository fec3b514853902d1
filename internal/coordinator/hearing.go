// Whether requests reach the node

package coordinator

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/clstr-go/clstr/internal/ownership"
)

// Hearer knows whether what is sent to the node arrives.
type Hearer interface {
	// Heard returns a number that grows with what comes to the node. known is false if the node
	// cannot tell. It must not block.
	Heard() (n uint64, known bool)
	// AskItself sends the node something that Heard counts when it arrives. again tells that
	// what was sent before has not arrived for long. It must not block.
	AskItself(again bool)
	// Refused returns why requests for the node's shards can no longer come; nil if they can. It
	// must not block.
	Refused() error
}

const (
	// deafAfter is how many questions to itself a node may leave unheard. If it hears nothing by the next look, it
	// counts as deaf: after two renewals.
	deafAfter = 3
	// againEvery: a deaf node asks itself with again set in one of so many questions.
	againEvery = 16
)

// hearing follows whether requests reach the node. If anything has come, it hears. Otherwise it
// asks itself, twice in each renewal.
type hearing struct {
	hearer Hearer // nil: nothing can tell

	heard uint64
	next  time.Time // when it is to look again
	asked int       // how often it has asked itself since it heard something
	deaf  atomic.Bool
}

// errDeaf is what [Health] says of a node that nothing reaches.
var errDeaf = errors.New("requests do not reach this node: what it sends to itself does not arrive, so it stops renewing its lease")

// look finds out whether the node hears, if that is due. It reports whether that has changed.
func (h *hearing) look(now time.Time, renew time.Duration) (changed bool) {
	if h.hearer == nil || now.Before(h.next) {
		return false
	}
	h.next = now.Add(renew / 2)
	if h.deaf.Load() {
		h.next = now.Add(ownership.TickEvery)
	}
	heard, known := h.hearer.Heard()
	if !known || heard != h.heard {
		h.heard, h.asked = heard, 0
		return h.deaf.Swap(false)
	}
	h.asked++
	late := h.asked - deafAfter
	h.hearer.AskItself(late > 0 && late%againEvery == 1)
	return late > 0 && !h.deaf.Swap(true)
}

// err is errDeaf for a node that nothing reaches.
func (h *hearing) err() error {
	if h.deaf.Load() {
		return errDeaf
	}
	return nil
}

// hears reports that the node is not deaf, and has at most one question to itself on its way.
func (h *hearing) hears() bool { return !h.deaf.Load() && h.asked < 2 }
