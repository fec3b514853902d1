// Call: one envelope on the node's side, from arrival to its end

package dispatch

import (
	"context"
	"time"

	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/internal/pool"
	"github.com/clstr-go/clstr/internal/turn"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// Replier is the way back to the sender of a call.
type Replier interface {
	// Reply sends the sender a reply or an error. It is
	// called once, must not block, and must not keep data.
	Reply(c *Call, data []byte, err *outcome.Error)
}

// Meter hears of the life of a subscription's calls. Nodes count calls with it.
type Meter interface {
	// CallStarted returns the value that CallFinished gets.
	CallStarted(c *Call) (kept any)
	// CallFinished is called once for each call, when it was answered and its
	// handler has returned. started is false, and kept is nil, for a call that was refused, even if
	// the receiver has not seen it.
	CallFinished(c *Call, started bool, kept any, err *outcome.Error)
}

// Call is one envelope on the node's side, from its arrival until it was
// answered and its handler has ended. It is the handler's context too: it ends
// when the call is answered, at the caller's deadline or cancellation at the
// latest.
//
// Exactly one of refusing, replying and running out of time decides the call;
// what comes later is dropped. All methods are safe for concurrent use.
//
// A call is made of parts, one above the other. A part knows the parts below it,
// and no part knows the call. Only the call itself passes itself to others (the replier, the
// meter, the clock, the shard's lists).
type Call struct {
	weight           // over turns, over arrival, over decision and times
	slot   pool.Held // while the handler runs
	kept   any       // the meter's
}

var _ context.Context = (*Call)(nil)

// NewCall makes a call for env, whose sender waits in another process and is
// answered through r. The call takes env over. budget is the time that the
// caller gives it; zero is none. It must be handed to [Sub.Dispatch].
func NewCall(env transport.Envelope, r Replier, budget time.Duration) *Call {
	c := new(Call)
	c.Init(&env, r, budget)
	c.fresh = false // the envelope may have been made before
	return c
}

// Start says that the handler starts now, in the given slot (nil outside a
// pool). It returns false if the call was decided before: then the handler must not
// run, and End must not be called.
func (c *Call) Start(slot pool.Slot) bool {
	var now int64
	if st := c.sub.standing; !st.Leased() {
		now = expiry.Now()
	} else { // which wants to know the time too: it is read once
		at := time.Now()
		now = expiry.At(at)
		if err := st.Start(applicant{c}, at); err != nil {
			c.Refuse(err)
			return false
		}
	}
	if c.until != 0 && now >= c.until {
		c.Expire()
		return false
	}
	c.slot.Begin(slot) // no other code looks before the handler runs
	c.runUntil = c.until
	if most := c.sub.d.limits.HandlerTimeout; most > 0 && (c.until == 0 || now+int64(most) < c.until) {
		c.runUntil = now + int64(most)
	}
	old, ok := c.change(0, bitStarted|bitAnswered, bitStarted)
	if !ok {
		return false
	}
	if old&bitPlaced != 0 {
		c.leavePlace()
	}
	if c.runUntil != c.until {
		(*timed)(c).endAt(c.runUntil)
	}
	if o := c.meter(); o != nil {
		c.measured(func() { c.kept = o.CallStarted(c) })
	}
	return true
}

// Queued says where the call stands in line, behind the turn that runs there, until it
// starts or is answered. It is for calls that turns wait for.
func (c *Call) Queued(p turn.Place) {
	if c.queue(p) {
		probeIn(probeAfter, c)
	}
}

// OnDrain calls tell once if the call is still open when its shard begins to drain. If the shard
// drains already, it calls tell at once. tell must not block. A handler that leaves the
// call open calls OnDrain after it has started.
func (c *Call) OnDrain(tell func()) {
	c.bits.Or(bitOpen)
	ending := c.sub.hearers.owes(c, tell)
	switch {
	case c.bits.Load()&bitAnswered != 0:
		c.sub.hearers.forget(c)
	case ending:
		hurry(c, tell)
	}
}

// Given says that the answer of an open call is there, and leaves when something else has
// ended that needs no message. A drain then waits for it as for a handler that runs.
func (c *Call) Given() {
	if !c.has(bitOpen) {
		return
	}
	c.sub.hearers.forget(c)
	if c.bits.And(^bitHurried)&bitHurried == 0 {
		return
	}
	if c.runUntil == 0 {
		(*timed)(c).dontEnd()
	} else {
		(*timed)(c).endAt(c.runUntil)
	}
}

// End says that the handler has returned. A call that it did not answer stays
// open until it is answered, or its time is up.
func (c *Call) End() {
	released := c.has(bitAsks)
	if released {
		release(c)
	}
	old := c.bits.Or(bitEnded)
	if old&bitAsks != 0 && !released { // a goroutine of the handler began to wait at the same moment
		release(c)
	}
	c.endTurn(old)
	if old&(bitEnded|bitClosed) == bitClosed {
		c.finish()
		Part(c)
	}
}

// release takes the slot back that a wait has given away.
func release(c *Call) {
	if c.slot.Release() {
		c.sub.life.count(1)
	}
}

// finish is called once, when the call was decided and its handler has ended
// or will never start.
func (c *Call) finish() {
	leaveClock(c)
	defer c.giveBack() // also where the meter ends the goroutine
	if o := c.meter(); o != nil {
		c.mu.Lock()
		err := c.err
		c.mu.Unlock()
		c.measured(func() { o.CallFinished(c, c.bits.Load()&bitStarted != 0, c.kept, err) })
	}
}

// Done implements context.Context. The channel is made when it is first asked for:
// most handlers never do.
func (c *Call) Done() <-chan struct{} {
	done, lost := c.look(true)
	if lost {
		c.Refuse(c.lost())
	}
	return done
}

// look is Done. lost says whether the shard was dropped before any code looked. With
// note, the code that looks must hear when the shard, or its lease, is lost.
func (c *Call) look(note bool) (done <-chan struct{}, lost bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch m := c.more; {
	case m != nil && m.done != nil:
	case c.ended != not:
		return always, false
	default:
		c.rest().done = newEndCtx()
		c.bits.Or(bitDone)
	}
	if note && c.ended == not {
		lost = noted(c)
	}
	return c.more.done.Done(), lost
}

// Err implements context.Context: context.Canceled if the caller has gone or
// has its reply, context.DeadlineExceeded if the time is up.
func (c *Call) Err() error {
	if c.has(bitClosed) { // from then on it does not change
		return c.ended.err()
	}
	if c.sub != nil && c.sub.standing.Gone() {
		c.Refuse(c.lost())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended == not && c.until != 0 && expiry.Now() >= c.until {
		return context.DeadlineExceeded
	}
	return c.ended.err()
}

// Value implements context.Context. A caller's values do not travel, on no
// transport; headers do.
func (c *Call) Value(key any) any {
	switch key.(type) {
	case callKey:
		c.bits.Or(bitKept)
		return c
	case turn.LentKey:
		return c
	case turn.InsideKey:
		return true
	case turn.GateKey:
		return nil
	}
	if c.bits.Load()&bitDone != 0 {
		c.mu.Lock()
		e := c.more.done
		c.mu.Unlock()
		if v := e.Value(key); v != nil { // asked by package context, for the end of a parent
			return v
		}
	}
	if c.sub != nil {
		return c.sub.life.ctx.Value(key)
	}
	return nil
}
