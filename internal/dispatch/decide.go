// How a call is decided: once

package dispatch

import (
	"context"
	"errors"
	"fmt"

	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/outcome"
)

// how says why a call's context has ended.
type how uint8

const (
	not  how = iota
	done     // answered, or its sender has gone
	late     // its time was up
)

func howOf(cause error) how {
	if errors.Is(cause, context.DeadlineExceeded) {
		return late
	}
	return done
}

func (h how) err() error {
	switch h {
	case done:
		return context.Canceled
	case late:
		return context.DeadlineExceeded
	}
	return nil
}

func (c *Call) refuse(err *outcome.Error, h how) {
	for {
		old := c.bits.Load()
		if old&bitAnswered != 0 {
			return
		}
		e := err
		if old&bitStarted != 0 && e.Outcome.NeverRan() {
			e = e.WithOutcome(outcome.MaybeRan)
		}
		if c.bits.CompareAndSwap(old, old|bitAnswered) {
			c.settle(e, h)
			c.reply(old, nil, e)
			c.close()
			return
		}
	}
}

func (c *Call) answer(data []byte, err *outcome.Error) {
	old := c.bits.Or(bitAnswered)
	if old&bitAnswered != 0 {
		return
	}
	c.settle(err, done)
	c.reply(old, data, err)
	c.close()
}

// replyError answers with what a func makes of a handler's error. The methods of
// that are the application's: a call is answered even if they end the goroutine.
func (c *Call) replyError(err error, make func(error) *outcome.Error) {
	var e *outcome.Error
	defer func() {
		if e == nil {
			e = outcome.HandlerError(fmt.Errorf("an error of type %T whose methods end their goroutine", err))
		}
		c.answer(nil, e)
	}()
	e = make(err)
}

// settle ends the call's context.
func (c *Call) settle(err *outcome.Error, h how) {
	if st := c.sub.standing; st.Leased() {
		c.sub.counts.decided(c, err, st.Moves())
	}
	if c.bits.Load()&bitOpen != 0 {
		c.sub.late.forget(c)
	}
	c.mu.Lock()
	c.err, c.ended = err, h
	var after func()
	if m := c.more; m != nil {
		if m.done != nil {
			close(m.done)
			if c.bits.Load()&bitNoted != 0 {
				c.sub.asked.remove(c)
			}
		}
		after, m.after = m.after, nil
	}
	c.mu.Unlock()
	if c.bits.Load()&(bitPlaced|bitStarted) == bitPlaced {
		c.leavePlace()
	}
	if after != nil {
		after()
	}
}

// reply tells the sender, unless an acknowledgement has. The sender of a
// notification learns whether it was accepted, never how its handler fared: that
// goes to the lifetime.
func (c *Call) reply(old uint32, data []byte, err *outcome.Error) {
	if c.AwaitsReply() {
		c.tell(data, err)
		return
	}
	answer := err
	if old&(bitStarted|bitLate) == bitStarted {
		answer = nil
	}
	if told := c.tell(nil, answer); err != nil && (!told || answer == nil) {
		sparse.Apart(c.sub.life.log, "the metrics", func() { c.sub.life.failed(c, err) })
	}
}

// tell tells the sender; it returns false if that was done before.
func (c *Call) tell(data []byte, err *outcome.Error) bool {
	told := bitReplied
	if err != nil {
		told |= bitRefused
	}
	old := c.bits.Load()
	for ; old&bitReplied == 0 && !c.bits.CompareAndSwap(old, old|told); old = c.bits.Load() {
	}
	switch {
	case old&bitReplied != 0:
		return false
	case c.replier != nil:
		c.replier.Reply(c, data, err)
	}
	return true
}

// close is called once, when the call has been decided and its sender told. It
// or End is the last, and finishes the call.
func (c *Call) close() {
	c.sub.d.clock.Remove(&c.node)
	old := c.bits.Or(bitClosed)
	if old&(bitStarted|bitQueued) == 0 || old&bitEnded != 0 {
		c.finish()
	}
}

// enqueue says that c goes into a line that it cannot be taken out of. If its
// sender leaves meanwhile, c counts as pending all the same until it has come to
// the front: its memory is held. It returns false if c was decided before.
func (c *Call) enqueue() bool {
	for {
		old := c.bits.Load()
		if old&bitAnswered != 0 {
			return false
		}
		if c.bits.CompareAndSwap(old, old|bitQueued) {
			return true
		}
	}
}

// dequeue says that c has come to the front of its line and did not start.
func (c *Call) dequeue() {
	if old := c.bits.And(^bitQueued); old&bitClosed != 0 {
		c.finish()
	}
}

// finish is called once, when the call was decided and its handler has ended
// or will never start.
func (c *Call) finish() {
	defer c.giveBack() // also where the observer ends the goroutine
	if o := c.observer(); o != nil {
		c.mu.Lock()
		err := c.err
		c.mu.Unlock()
		c.observed(func() { o.CallFinished(c, c.bits.Load()&bitStarted != 0, c.kept, err) })
	}
}

// giveBack gives back what a call that has finished holds.
func (c *Call) giveBack() {
	s := c.sub
	if s.standing.Leased() && !c.AwaitsReply() {
		s.counts.leave(c)
	}
	s.life.busy.Add(-1)
	c.lighten()
	s.flight.land(s.standing)
}

// observer returns nil for a nested call: it is part of the work of a call that is
// observed.
func (c *Call) observer() Observer {
	if c.bits.Load()&bitNested != 0 {
		return nil
	}
	return c.sub.to.Observer
}

// observed tells the observer, which is an application's: where that panics the call
// goes on.
func (c *Call) observed(tell func()) {
	defer sparse.Recover(c.sub.d.life.log, "the metrics")
	tell()
}

// refused returns the error that the sender was told, if it was told one.
func (c *Call) refused() *outcome.Error {
	if c.bits.Load()&bitRefused == 0 {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Failure returns the error that the call was answered with; nil for a reply, and while it
// is open.
func (c *Call) Failure() *outcome.Error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// AfterAnswer calls f, which must not block, once the call was answered, at
// once if it was. A second f replaces the first.
func (c *Call) AfterAnswer(f func()) {
	c.mu.Lock()
	if c.ended == not {
		c.rest().after = f
		f = nil
	}
	c.mu.Unlock()
	if f != nil {
		f()
	}
}

// Apart calls code of an application's where its panic would hurt more than itself.
func (c *Call) Apart(what string, f func()) { sparse.Apart(c.sub.life.log, what, f) }
