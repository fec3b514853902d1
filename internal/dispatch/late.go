// Calls that their handlers have left open: told of a drain, handed back, cut off

package dispatch

import (
	"context"
	"time"

	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/outcome"
)

// lateGrace is how long a shard that drains waits for answers that are owed: for a
// goroutine or a timer to give them. The message that would cause one is refused
// meanwhile, so that a longer wait would seldom help. A planned stop with answers that
// are owed takes under a second.
const lateGrace = 500 * time.Millisecond

// lateCall is a call that its handler has left open.
type lateCall struct {
	tell func() // nil once it was told
	told int64  // the moment
}

// OnDrain has tell called once when the call's shard begins to drain and the call is
// still open, at once if it drains already. tell must not block. It is called where a
// handler leaves the call open, after it has started.
func (c *Call) OnDrain(tell func()) {
	s := c.sub
	c.bits.Or(bitOpen)
	s.mu.Lock()
	l := &lateCall{tell: tell}
	s.late.Set(c, l)
	ending := s.ending
	if ending {
		l.tell, l.told = nil, expiry.Now()
	}
	s.mu.Unlock()
	switch {
	case c.bits.Load()&bitAnswered != 0:
		s.forgetLate(c)
	case ending:
		tell()
	}
}

func (s *Sub) forgetLate(c *Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.late.Delete(c)
}

// NoEffect says whether nothing of the call remains at the handler so far, so that it
// may go back. It returns false if the call has ended: it may have gone back already.
func (c *Call) NoEffect(none bool) (open bool) {
	for {
		old := c.bits.Load()
		if old&bitAnswered != 0 {
			return false
		}
		b := old &^ bitNoEffect
		if none {
			b |= bitNoEffect
		}
		if c.bits.CompareAndSwap(old, b) {
			return true
		}
	}
}

// HandBack gives a request back that has had no effect: its sender asks the next owner.
// It returns false, and does nothing, for any other call.
func (c *Call) HandBack() bool {
	for {
		old := c.bits.Load()
		if old&bitNoEffect == 0 || old&bitAnswered != 0 || !c.AwaitsReply() {
			return false
		}
		if c.bits.CompareAndSwap(old, old|bitAnswered) {
			err := outcome.Errorf(outcome.ErrHandedBack, "%s", where(&c.env))
			c.settle(err, done)
			c.reply(old, nil, err)
			c.close()
			return true
		}
	}
}

// tellLate tells the keys that owe answers that the shard ends.
func (s *Sub) tellLate() {
	now := expiry.Now()
	var tell []func()
	s.mu.Lock()
	s.ending = true
	for _, l := range s.late.All() {
		if l.tell != nil {
			tell = append(tell, l.tell)
			l.tell, l.told = nil, now
		}
	}
	s.mu.Unlock()
	for _, f := range tell {
		f()
	}
}

// awaitEnd returns true when the shard has nothing in flight, false when giveUp is
// closed or fires. Meanwhile it cuts off the answers that are owed for too long.
func (s *Sub) awaitEnd(drained, giveUp <-chan struct{}) bool {
	look := time.NewTicker(lateGrace / 8)
	defer look.Stop()
	for {
		select {
		case <-drained:
			return true
		case <-look.C:
			s.cutLate(expiry.Now() - int64(lateGrace))
		case <-giveUp:
			select {
			case <-drained: // at the same moment
				return true
			default:
				return false
			}
		}
	}
}

// cutLate ends the calls that were left open and told so at a moment, or before: those
// that may go back do.
func (s *Sub) cutLate(toldBy int64) {
	var cut []*Call
	s.mu.Lock()
	for c, l := range s.late.All() {
		if l.tell == nil && l.told <= toldBy {
			cut = append(cut, c)
		}
	}
	s.mu.Unlock()
	for _, c := range cut {
		if !c.HandBack() {
			c.lose()
		}
	}
}

// allLate is cutLate for all calls that were left open, told or not.
func (s *Sub) allLate() {
	s.mu.Lock()
	for _, l := range s.late.All() {
		l.tell, l.told = nil, 0
	}
	s.mu.Unlock()
	s.cutLate(0)
}

// awaitEndUntil is awaitEnd until a moment; the zero time is never. Its error says what
// goes on.
func (s *Sub) awaitEndUntil(drained <-chan struct{}, giveUp time.Time) error {
	ctx := context.Background()
	if !giveUp.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, giveUp)
		defer cancel()
	}
	if s.awaitEnd(drained, ctx.Done()) {
		return nil
	}
	s.mu.Lock()
	left := s.late.Len()
	s.mu.Unlock()
	if n := s.Pending() - left; n > 0 {
		return outcome.Errorf(outcome.ErrHandlerTimeout, "%d calls have not finished: handlers ignore the end of their context", n)
	}
	return outcome.Errorf(outcome.ErrHandlerTimeout, "%d answers are owed", left)
}
