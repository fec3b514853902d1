// What a shard's move has cost callers

package dispatch

import (
	"sync"
	"sync/atomic"

	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// moveCounts is the DrainCounts of a subscription. Notifications that were taken and
// have not finished are counted all the time, because a drain that gives up leaves some
// behind, and hears nothing more of them.
type moveCounts struct {
	taken  [2]atomic.Int64 // acknowledged ones, and others
	asking atomic.Int64    // requests that are not decided

	mu  sync.Mutex
	sum outcome.DrainCounts
}

// countNotification counts a notification that is about to be accepted.
func (c *moveCounts) countNotification(call *arrival) {
	c.taken[call.kind()].Add(1)
	call.bits.Or(bitTaken)
}

// uncount ends what countNotification has begun: the notification has finished, or is in the sum, or is to
// be acknowledged by the handler that it is passed on to, where it counts then.
func (c *moveCounts) uncount(call *arrival) {
	if call.bits.And(^bitTaken)&bitTaken != 0 {
		c.taken[call.kind()].Add(-1)
	}
}

// countRequest counts a request that a sender has sent.
func (c *moveCounts) countRequest(call *arrival) {
	if call.bits.Load()&bitNested == 0 {
		c.asking.Add(1)
	}
}

// decided counts the end of a call. It is called when the call is decided, before its
// sender is told; moving is whether its shard moves.
func (c *moveCounts) decided(call *arrival, err *outcome.Error, moving bool) {
	asks := call.AwaitsReply() && call.bits.Load()&bitNested == 0
	if moving {
		c.mu.Lock()
		defer c.mu.Unlock()
	}
	if asks {
		c.asking.Add(-1)
	}
	if moving && err != nil {
		c.add(call, err)
	}
}

// add counts what the move has cost a call. It is called with mu held.
func (c *moveCounts) add(call *arrival, err *outcome.Error) {
	nested, accepted := call.bits.Load()&bitNested != 0, call.Accepted()
	if is := err.Sentinel(); is != outcome.ErrNotOwner && is != outcome.ErrDraining && is != outcome.ErrHandedBack || nested && !accepted { // of those the call tells that they are nested in
		return
	}
	switch never := err.Outcome.NeverRan(); {
	case !never && err.Outcome != outcome.MaybeRan: // a handler has passed on what a call of its own met
		return
	case never && call.env.Delivery == transport.AwaitNothing && (accepted || call.has(bitFar)):
		c.sum.Dropped++
	case !never || accepted:
		c.sum.Lost++
	case !call.env.Retry:
		c.sum.Parked++
	}
	c.uncount(call)
}
