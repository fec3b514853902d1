// Calls that hear of their shard's end: open calls, and calls that watch their context

package dispatch

import (
	"sync"
	"time"

	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/internal/peakmap"
	"github.com/clstr-go/clstr/internal/standing"
)

// owedTime is how long a draining shard waits until a goroutine or a timer gives an answer that is
// owed. The shard refuses the message that would cause the answer
// meanwhile, so a longer wait would seldom help. A planned stop with answers that
// are owed takes under a second.
const owedTime = 500 * time.Millisecond

// hearers are the calls of a shard that hear of its end, because their handlers have left them
// open or, in a shard that may move, watch the context.
type hearers struct {
	mu     sync.Mutex
	calls  peakmap.Map[*Call, func()] // what a drain is to call; nil for none, and when it has
	drains bool
}

// owes notes a call that its handler has left open. It returns true if the shard drains
// already: then the caller must tell the handler.
func (h *hearers) owes(c *Call, tell func()) (drains bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.drains {
		tell = nil
	}
	h.calls.Set(c, tell)
	return h.drains
}

// looks notes a call whose handler watches its context. It returns false if the context has
// ended, because the shard was dropped or the lease has ended.
func (h *hearers) looks(c *Call, st *standing.Standing) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if st.Gone() {
		return false
	}
	if _, owes := h.calls.Get(c); !owes {
		h.calls.Set(c, nil)
	}
	return true
}

func (h *hearers) forget(c *Call) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls.Delete(c)
}

// owed returns how many calls were left open.
func (h *hearers) owed() (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.calls.All() {
		if c.has(bitOpen) {
			n++
		}
	}
	return n
}

// drain tells the keys that owe answers that the shard ends.
func (h *hearers) drain() {
	tell := map[*Call]func(){}
	h.mu.Lock()
	h.drains = true
	for c, f := range h.calls.All() {
		if f != nil {
			c.bits.Or(bitKept) // from here
			tell[c] = f
			h.calls.Set(c, nil)
		}
	}
	h.mu.Unlock()
	for c, f := range tell {
		hurry(c, f)
	}
}

// cutOff ends them all.
func (h *hearers) cutOff() {
	var calls []*Call
	h.mu.Lock()
	for c := range h.calls.All() {
		c.bits.Or(bitKept) // from here
		calls = append(calls, c)
	}
	h.mu.Unlock()
	for _, c := range calls {
		cutOff(c)
	}
}

// hurry makes an open call end soon, and tells its key of the drain.
func hurry(c *Call, tell func()) {
	if soon := expiry.Now() + int64(owedTime); c.runUntil == 0 || soon < c.runUntil {
		c.bits.Or(bitHurried)
		(*timed)(c).endAt(soon)
	}
	tell()
}

// cutOff ends a call because its shard ends. The call goes back if it may.
func cutOff(c *Call) {
	if !c.has(bitOpen) || !c.HandBack() {
		c.Refuse(c.lost())
	}
}
