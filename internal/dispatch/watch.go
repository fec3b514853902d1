// Ends a call at its TTL and a handler at its timeout

package dispatch

import (
	"time"

	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/transport"
)

// The classes of a dispatcher's clock.
const (
	classHandler = iota // the handler timeout
	classRequest        // the default TTL
)

// What ends a call when its time is up:
//
//	from another process, or with a TTL   the dispatcher's clock, from its arrival on
//	a request of this process, without    its sender, which wakes at its own deadline and leaves
//	started, HandlerTimeout is earlier    the dispatcher's clock, from its start on
//	none of these, a notification         nobody: it has all the time that it wants
//
// A request always has a deadline or a TTL: see [transport.Envelope.Bound].
//
// The answer is the same for requests and notifications, for calls that wait, that
// run, and that their handlers have left open: a sender that has died, and can
// neither leave nor cancel, holds nothing longer than its own deadline.

// times is until when a call has time.
type times struct {
	until    int64 // moment by which the call must be answered; 0 is none
	runUntil int64 // the same with the handler timeout; set by Start
	node     expiry.Node
	far      bool // the sender is in another process
	byTTL    bool // until is the end of the time to live, not the caller's deadline
}

// watched reports whether the clock must end the call at until.
func (t *times) watched() bool { return t.until != 0 && (t.far || t.byTTL) }

// Deadline implements context.Context: the caller's deadline, the envelope's
// TTL or the node's handler timeout, whichever is first.
func (t *times) Deadline() (time.Time, bool) {
	if t.runUntil == 0 {
		return time.Time{}, false
	}
	return time.Now().Add(expiry.Until(t.runUntil)), true
}

// clock ends the calls of a dispatcher in time.
type clock struct {
	*expiry.Set
	handlerTimeout time.Duration // not positive is none
}

// watch has the clock end a call at until.
func (k clock) watch(c *Call, now int64) {
	const usual = int64(transport.DefaultRequestTimeout)
	switch left := c.until - now; {
	case c.far && left > usual*9/10 && left <= usual:
		// Its sender wakes by itself, and no handler starts too late: this may
		// come later, so that calls which were on their way for a while are still
		// in a list.
		k.Add(&c.node, c, classRequest, now)
	case c.env.TTLMs == transport.DefaultRequestTimeout.Milliseconds() && left <= usual:
		k.Add(&c.node, c, classRequest, c.until-usual)
	default:
		k.AddAt(&c.node, c, c.until)
	}
}

// watchExactly has the clock end a call at until, and not later: its handler looks
// at its context.
func (k clock) watchExactly(c *Call) {
	if c.until != 0 && (c.bits.Load()&bitStarted == 0 || c.until == c.runUntil) {
		k.AddAt(&c.node, c, c.until)
		k.unlessAnswered(c)
	}
}

// runUntil is the moment at which a handler that starts now must be done.
func (k clock) runUntil(until, now int64) int64 {
	if t := k.handlerTimeout; t > 0 && (until == 0 || now+int64(t) < until) {
		return now + int64(t)
	}
	return until
}

// watchHandler ends the wait for a handler that has just started.
func (k clock) watchHandler(c *Call, now int64) {
	if c.runUntil == c.until {
		return
	}
	k.Add(&c.node, c, classHandler, now)
	k.unlessAnswered(c)
}

// unlessAnswered takes a call that was decided before it was in the clock out of it.
func (k clock) unlessAnswered(c *Call) {
	if c.bits.Load()&bitAnswered != 0 {
		k.Remove(&c.node)
	}
}
