// The one deadline of a call

package dispatch

import (
	"sync/atomic"
	"time"

	"github.com/clstr-go/clstr/internal/expiry"
)

// What ends a call when its time is up:
//
//	from another process, or with a TTL   the dispatcher's clock, from its arrival on
//	a request of this process, without    its sender, which wakes at its own deadline and leaves
//	started, HandlerTimeout is earlier    the dispatcher's clock, from its start on
//	left open in a shard that drains      the dispatcher's clock, half a second later
//	none of these, a notification         nothing: it may take any time
//
// A request always has a deadline or a TTL: see [Bound].
//
// The answer is the same for requests and notifications, for calls that wait, that
// run, and that their handlers have left open. A sender that has died can
// neither leave nor cancel, and still holds nothing longer than its own deadline.

// times says until when a call has time.
type times struct {
	until    int64 // moment by which the call must be answered; 0 is none
	runUntil int64 // the same with the handler timeout; set by Start
	fresh    bool  // its sender has just looked at the clock
	byTTL    bool  // the end of its time to live is before the caller's deadline

	due  atomic.Int64 // moment by which the clock must end it; 0 is none
	node expiry.Node
	home *spares // where it goes when it is over; nil for one that is not used again
}

// Deadline implements context.Context: the caller's deadline, the envelope's
// TTL or the node's handler timeout, whichever is first.
func (t *times) Deadline() (time.Time, bool) {
	if t.runUntil == 0 {
		return time.Time{}, false
	}
	now := time.Now()
	return now.Add(expiry.Between(expiry.At(now), t.runUntil)), true
}

// leaveClock is called when a call has finished.
func leaveClock(c *Call) {
	if c.bits.Load()&bitLast == 0 { // otherwise Part looks
		(*timed)(c).leave()
	}
}
