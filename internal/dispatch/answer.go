// How a call ends: refused, answered, left or too late, and its sender told

package dispatch

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/outcome"
)

// Reply answers with the handler's result. An error counts as the application's:
// its outcome is RanAndFailed. The slice stays the handler's.
func (c *Call) Reply(data []byte, err error) {
	if err != nil {
		c.replyError(err, outcome.HandlerError)
		return
	}
	c.answer(data, nil)
}

// ReplyOwned is Reply for a slice that the handler gives away.
func (c *Call) ReplyOwned(data []byte) {
	if old, ok := c.change(0, bitAnswered, bitAnswered|bitOwned); ok { // one that comes too late gives away no other's slice
		c.conclude(old, data, nil, done)
	}
}

// Refuse answers with an error of the library. If the call has started, an
// error that claims that nothing ran becomes MaybeRan.
func (c *Call) Refuse(err *outcome.Error) { c.refuse(err, done) }

// Fail answers with an error of the library as it stands, even if the call
// has started. It is for a handler that finds that it has nothing to run. A
// notification counts as accepted before that, even if its sender has not been told yet.
func (c *Call) Fail(err *outcome.Error) {
	if !c.AwaitsReply() && c.bits.Load()&bitLate == 0 {
		c.tell(nil, nil)
	}
	c.answer(nil, err)
}

// Panicked answers for a handler that has panicked, and logs its stack. It must
// be called from the deferred function that recovered. The caller gets
// neither value nor stack.
func (c *Call) Panicked(value any) {
	c.sub.life.log.Error("handler panicked", sparse.Entity(c.env.Kind, c.env.Shard, c.Key()), slog.String("type", c.env.Type), sparse.Panic(value))
	c.answer(nil, outcome.Errorf(outcome.ErrPanicked, "message type %q", c.env.Type))
}

// Leave decides the call for a sender that has gone, and returns what it then
// knows: NotStarted if the handler will never run, MaybeRan if it has started.
// ok is false if the call was decided before: the reply is on its way.
func (c *Call) Leave(cause error) (o outcome.Outcome, ok bool) {
	old, ok := c.decide(0)
	if !ok {
		return outcome.Succeeded, false
	}
	c.bits.Or(bitReplied | bitRefused) // its sender will be told nothing else
	o = outcome.NotStarted
	if old&bitStarted != 0 {
		o = outcome.MaybeRan
	}
	h := howOf(cause)
	c.settle(outcome.ContextError(cause, o), h)
	c.close()
	if h == late {
		watchOverrun(c)
	}
	return o, true
}

// Expire answers a call whose time is up. Timers call it.
func (c *Call) Expire() {
	var err *outcome.Error
	switch isOver := c.until != 0 && expiry.Now() >= c.until; {
	case isOver && c.byTTL:
		err = outcome.New(outcome.ErrEnvelopeExpired)
	case isOver:
		err = outcome.New(context.DeadlineExceeded)
	case c.has(bitHurried):
		cutOff(c)
		return
	default:
		err = outcome.Errorf(outcome.ErrHandlerTimeout, "the node's limit is %v", c.sub.d.limits.HandlerTimeout)
	}
	c.refuse(err.WithOutcome(outcome.NotStarted), late)
}

// HandBack gives back a request that has had no effect, so that its sender asks the next owner.
// For any other call it does nothing and returns false.
func (c *Call) HandBack() bool {
	if !c.AwaitsReply() {
		return false
	}
	old, ok := c.decide(bitNoEffect)
	if ok {
		c.conclude(old, nil, outcome.Errorf(outcome.ErrHandedBack, "%s", where(&c.env)), done)
	}
	return ok
}

func (c *Call) refuse(err *outcome.Error, h how) {
	if old, ok := c.decide(0); ok {
		if old&bitStarted != 0 && err.Outcome.NeverRan() {
			err = err.WithOutcome(outcome.MaybeRan)
		}
		c.conclude(old, nil, err, h)
		if h == late {
			watchOverrun(c)
		}
	}
}

func (c *Call) answer(data []byte, err *outcome.Error) {
	if old, ok := c.decide(0); ok {
		c.conclude(old, data, err, done)
	}
}

// replyError answers with the error that a func makes of a handler's error. The methods of the
// handler's error are an application's code: the call is answered even if they end the goroutine.
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

// conclude is called once, by the code that has decided the call, except by [Call.Leave]. old are
// the bits from before. It tells the sender, unless an acknowledgement has done so. The sender of a
// notification learns whether it was accepted, and never what its handler returned: that
// goes to the lifetime.
func (c *Call) conclude(old uint32, data []byte, err *outcome.Error, h how) {
	c.settle(err, h)
	if c.AwaitsReply() {
		c.tell(data, err)
	} else {
		answer := err
		if old&(bitStarted|bitLate) == bitStarted {
			answer = nil
		}
		if told := c.tell(nil, answer); err != nil && (!told || answer == nil) {
			c.Apart("the metrics", func() { c.sub.life.failed(c, err) })
		}
	}
	c.close()
}

// settle ends the call's context, and everything that hangs on the context.
func (c *Call) settle(err *outcome.Error, h how) {
	if st := c.sub.standing; st.Leased() {
		c.sub.counts.decided(&c.arrival, err, st.Moves())
	}
	after := c.record(err, h)
	is := c.bits.Load()
	if is&(bitNoted|bitOpen) != 0 {
		c.sub.hearers.forget(c)
	}
	if is&bitTurn != 0 {
		c.answered()
	}
	if c.bits.Load()&(bitPlaced|bitStarted) == bitPlaced {
		c.leavePlace()
	}
	if after != nil {
		after()
	}
}

// tell tells the sender; it returns false if that was done before.
func (c *Call) tell(data []byte, err *outcome.Error) bool {
	says := bitReplied
	if err != nil {
		says |= bitRefused
	}
	old, ok := c.change(0, bitReplied, says)
	if !ok {
		return false
	}
	if c.replier != nil && (err != nil || old&bitByReturn == 0) {
		c.replier.Reply(c, data, err)
	}
	return true
}

// close is called once, when the call has been decided and its sender told. The later of close and
// End finishes the call.
func (c *Call) close() {
	if old := c.bits.Or(bitClosed); old&(bitStarted|bitQueued) == 0 || old&bitEnded != 0 {
		c.finish()
	}
}
