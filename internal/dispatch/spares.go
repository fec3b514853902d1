// The calls that are over, and their deadlines

package dispatch

import (
	"sync"

	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/internal/pool"
	"github.com/clstr-go/clstr/transport"
)

// mostSpare is how many calls that are over are kept.
const mostSpare = 16 << 10

// spares has calls that are over: those of senders in this process, or those from afar. Each keeps its entry in the clock.
// Nearly every call ends long before its deadline, so the entry is not moved for each use. If the clock comes to a call that has
// more time, it looks again when that time is up. If it comes to a call that is over, the call enters the clock again at its next use.
type spares struct {
	clock *expiry.Set

	mu    sync.Mutex
	calls []*Call
}

// get returns nil if there is none.
func (s *spares) get() (c *Call) {
	s.mu.Lock()
	if n := len(s.calls) - 1; n >= 0 {
		c, s.calls[n] = s.calls[n], nil
		s.calls = s.calls[:n]
	}
	s.mu.Unlock()
	return c
}

// put drops the call if there are enough.
func (s *spares) put(c *Call) {
	s.mu.Lock()
	full := len(s.calls) == mostSpare
	if !full {
		s.calls = append(s.calls, c)
	}
	s.mu.Unlock()
	if full {
		s.clock.Remove(&c.node)
	}
}

// clear drops all calls. The clock has found one that was not used for long, so the others are left of a peak.
func (s *spares) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.calls {
		s.clock.Remove(&c.node)
	}
	s.calls = nil
}

// takeBack makes a call blank, and keeps it. The clock may look at the call meanwhile: it sees bits, due and home.
func (s *spares) takeBack(c *Call) {
	c.keepBuffer()
	c.due.Store(0)
	c.env, c.sub = transport.Envelope{}, nil
	c.decision.ended, c.err, c.more = not, nil, nil
	c.until, c.runUntil, c.fresh, c.byTTL = 0, 0, false, false
	c.by, c.self = nil, nil
	c.slot, c.kept = pool.Held{}, nil
	c.bits.Store(0)
	s.put(c)
}

// timed is a call as the clock knows it.
type timed Call

// endAt has the clock end the call at a moment.
func (c *timed) endAt(moment int64) {
	c.due.Store(moment)
	c.lookBy(moment)
}

// dontEnd takes back endAt.
func (c *timed) dontEnd() {
	c.due.Store(0)
	c.leave()
}

// leave takes the call out of the clock.
func (c *timed) leave() { c.clock().Remove(&c.node) }

// lookBy has the clock look at the call by a moment that due had. If due is nearer by now, its entry may have become this one.
func (c *timed) lookBy(moment int64) {
	clock := c.clock()
	clock.By(&c.node, c, moment)
	for due := c.due.Load(); due != 0 && due < moment; due = c.due.Load() {
		clock.By(&c.node, c, due)
		moment = due
	}
	if c.bits.Load()&bitClosed != 0 { // at the same moment
		clock.Remove(&c.node)
	}
}

// clock returns the clock that ends the call.
func (c *timed) clock() *expiry.Set {
	if c.home != nil {
		return c.home.clock
	}
	return &c.sub.d.clock // whose calls are not used again
}

// Expire implements [expiry.Expirer]: the clock looks whether the call's time is up. From here on the call is not used again.
// If the call was given back already, it is closed, and there is nothing to do. Or it is another call by now, and due is that call's.
func (c *timed) Expire() {
	if c.bits.Or(bitKept)&bitClosed != 0 {
		return
	}
	switch due := c.due.Load(); {
	case due == 0:
		if c.home != nil {
			c.home.clear()
		}
	case due > expiry.Now():
		c.lookBy(due)
	default:
		(*Call)(c).Expire()
	}
}
