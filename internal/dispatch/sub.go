// Sub: one shard's subscription, and how a call gets in

package dispatch

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/internal/plain"
	"github.com/clstr-go/clstr/internal/standing"
	"github.com/clstr-go/clstr/internal/turn"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// RetryHint is the pause that a refusal suggests if there is no room.
const RetryHint = 10 * time.Millisecond

// Sub is one shard's subscription at a dispatcher, and at the transport ([Link]). It implements
// [transport.Subscription].
type Sub struct {
	d    *Dispatcher
	to   Subscriber
	life *Lifetime

	standing *standing.Standing
	flight   flight
	hearers  hearers
	keys     keyBytes
	counts   moveCounts // of a shard that may move: what that refuses or cuts off

	gaveUp atomic.Bool // an Unsubscribe did not see its end
	mu     sync.Mutex
	giveUp time.Time // of a Quiesce that has failed
}

// Dispatch takes c over: it will be answered exactly once. It never blocks.
// Calls that one sender sent one after the other must be dispatched in that
// order.
func (s *Sub) Dispatch(c *Call) { s.dispatch(c, s.to.Receiver, nil, false) }

// dispatch is Dispatch to a receiver of the subscription's node. from is the call whose
// handler makes this one; nil for a sender's. leaves says that the sender of a notification needs nothing of the call once the
// notification is accepted. If over is true, the notification was accepted, the sender has left, and c may be another call by now.
func (s *Sub) dispatch(c *Call, r Receiver, from *Call, leaves bool) (over bool) {
	c.sub = s
	size := c.size()
	c.bytes = size // no other code knows the call
	n, busy := s.flight.n.Add(1), s.life.count(1)
	part := from != nil && from.sub == s && c.nestIn(&from.weight) // now: a drain that does not see c sees from
	held := s.life.bytes.Add(size)
	if !c.AwaitsReply() {
		c.serve(from) // now: a stop hook does not wait for long
	}
	moves := s.standing.Leased()
	if moves && c.AwaitsReply() {
		s.counts.countRequest(&c.arrival)
	}
	if err := s.standing.Admit(applicant{c}); err != nil {
		c.Refuse(err)
		return false
	}
	if moves && !c.AwaitsReply() {
		s.counts.countNotification(&c.arrival) // before any other code can decide it
	}
	if !part { // the room of one is that of the call that it is nested in
		if err := s.roomFor(c, from, n, busy, held); err != nil {
			c.Refuse(err)
			return false
		}
	}
	if c.env.TTLMs < 0 {
		c.Refuse(outcome.New(outcome.ErrEnvelopeExpired))
		return false
	}
	if !c.has(bitFar) {
		c.own()
	}
	if c.until != 0 {
		if !c.fresh && expiry.Now() >= c.until {
			c.Expire()
			return false
		}
		if c.byTTL || c.has(bitFar) {
			(*timed)(c).endAt(c.until)
		}
	}
	r.Accept(c)
	switch {
	case c.AwaitsReply() || c.bits.Load()&bitLate != 0:
		return false
	case leaves && acceptAndPart(c):
		return true
	}
	c.tell(nil, nil)
	return false
}

// roomFor returns nil, or why there is no room for a call that has been counted: n is how
// many are in flight in the shard, busy in the node, and held how many bytes the node holds.
func (s *Sub) roomFor(c *Call, from *Call, n, busy, held int64) *outcome.Error {
	size, most := atomic.LoadInt64(&c.bytes), s.d.limits.MaxPending
	switch {
	case most >= 0 && n > int64(most):
		return outcome.Overloaded(RetryHint, "shard %d has %d pending calls, which is all that is allowed", c.env.Shard, most)
	case s.life.mostBusy > 0 && busy > s.life.mostBusy && (from == nil || from.sub.life != s.life || !from.runs()):
		return outcome.Overloaded(RetryHint, "the node has %d calls in flight, which is all that is allowed", s.life.mostBusy)
	case s.life.mostBytes > 0 && held > s.life.mostBytes && held != size && (held > 2*s.life.mostBytes || c.by == nil):
		return outcome.Overloaded(RetryHint, "the node has %d bytes of calls in flight: at most %d allowed", held-size, s.life.mostBytes)
	}
	return nil
}

// Do dispatches env and waits for what its delivery names, as
// [transport.ClientTransport.Request] does. Sender and handler share no memory: everything that
// crosses is copied, as on a wire.
func (s *Sub) Do(ctx context.Context, env transport.Envelope) ([]byte, error) {
	return s.do(ctx, &env, s.to.Receiver, nil)
}

// Carry is Do for a message that may be a Go value: see [Carrier]. It does not change env.
func (s *Sub) Carry(ctx context.Context, env *transport.Envelope, message plain.Value, want *plain.Type) (data []byte, reply plain.Value, err error) {
	if err := ctx.Err(); err != nil {
		return nil, reply, outcome.ContextError(err, outcome.NotSent)
	}
	l := newLocal(s.d, env, leavesAt(ctx, env))
	l.stamp()
	l.cargo.message, l.cargo.want = message, want
	l.fresh = l.AwaitsReply() // if it is late by now, Start notices, as for a call that becomes late in line
	w, over := s.send(ctx, l, s.to.Receiver, nil)
	if over {
		w.EndWait(ctx)
		return nil, reply, nil
	}
	if !l.told() {
		if env.Delivery == transport.AwaitAccept && !HasDeadline(ctx) { // see Prompt
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, DefaultRequestTimeout)
			defer cancel()
		}
		err = l.await(ctx, &w)
	}
	if data, err = l.ended(ctx, w, err); err == nil {
		reply = l.cargo.reply
		l.part()
	}
	return data, reply, err
}

// do is Do for a receiver. from is the call whose handler makes this one; nil for a
// sender's. A notification is waited for until it is accepted or refused.
func (s *Sub) do(ctx context.Context, env *transport.Envelope, r Receiver, from *Call) (data []byte, err error) {
	if err := ctx.Err(); err != nil {
		return nil, outcome.ContextError(err, outcome.NotSent)
	}
	l := newLocal(s.d, env, leavesAt(ctx, env))
	w, over := s.send(ctx, l, r, from)
	if over {
		w.EndWait(ctx)
		return nil, nil
	}
	if !l.told() {
		err = l.await(ctx, &w)
	}
	if data, err = l.ended(ctx, w, err); err == nil {
		l.part()
	}
	return data, err
}

// send dispatches a call whose sender waits for its answer next, and returns the wait. over is that of dispatch.
func (s *Sub) send(ctx context.Context, l *local, r Receiver, from *Call) (w Wait, over bool) {
	inside := turn.Inside(ctx)
	if inside && l.AwaitsReply() {
		w.begin(ctx)
	}
	switch {
	case !inside && from == nil: // no turn waits for it
	case from != nil && l.AwaitsReply() && from.AwaitsReply() && from.fn != nil && from.runs():
		l.SetWaiting(from.Waiting()) // the same call: when the shard moves, both go to the next owner
	case from != nil || l.env.Delivery != transport.AwaitNothing: // it is waited for, or part of a call that was admitted
		l.SetWaiting(w.For(ctx, l.env.Shard))
	}
	return w, s.dispatch(&l.Call, r, from, true)
}

// Post dispatches a notification, as [Sub.Do] does. See [Poster].
func (s *Sub) Post(ctx context.Context, env *transport.Envelope, until time.Time, to Told) (open bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, outcome.ContextError(err, outcome.NotSent)
	}
	l := newLocal(s.d, env, 0)
	l.stamp()
	if s.dispatch(&l.Call, s.to.Receiver, nil, true) {
		return false, nil
	}
	if l.told() {
		if _, err := l.answer(); err != nil {
			return false, err
		}
		l.part()
		return false, nil
	}
	go func() { // ends when the notification is accepted or refused, at until at the latest
		ctx, cancel := context.WithDeadline(context.Background(), until)
		defer cancel()
		_, err := l.ended(ctx, Wait{}, l.await(ctx, nil))
		to.Told(err)
	}()
	return true, nil
}

// pass makes a call for the handler of from, and notes what from is to know of it.
func (s *Sub) pass(ctx context.Context, env *transport.Envelope, r Receiver, from *Call) ([]byte, error) {
	if f := from.fn; f != nil && !f.passes.Load() {
		f.passes.Store(true)
	}
	reply, err := s.do(ctx, env, r, from)
	from.passedOn(err)
	return reply, err
}

// AnswerTurns answers a question that a dispatcher has asked, by its
// [Dispatcher.SetAsk], of the subscription's shard. It looks at many turns: call it where
// nothing waits behind it.
func (s *Sub) AnswerTurns(shard uint32, question []byte) ([]byte, error) {
	q, err := parseQuestion(question)
	if err != nil {
		return nil, err
	}
	var edges []edge
	looks := mostLooks
	for i, number := range q.Numbers {
		for _, t := range turn.WaitsFor(number, mostEdges-len(edges), &looks, q.Drains) {
			edges = append(edges, edgeTo(i, t))
		}
	}
	if q.Drains && len(edges) < mostEdges && s.standing.Asks() { // what it refuses waits for all that it waits for
		for _, t := range turn.Of(func(s uint32) bool { return s == shard }, mostEdges) {
			edges = append(edges, edgeTo(0, t))
		}
	}
	return encodeAnswer(edges), nil
}

// Counts returns what the shard's move has cost so far.
func (s *Sub) Counts() outcome.DrainCounts {
	c := &s.counts
	c.mu.Lock()
	defer c.mu.Unlock()
	sum := c.sum
	if s.standing.WasCut() { // what goes on does so beside the next owner
		sum.Lost += uint32(c.taken[0].Load() + c.asking.Load())
		sum.Dropped += uint32(c.taken[1].Load())
	}
	return sum
}

// Shared reports whether another subscription serves the shard too: see [Link].
func (s *Sub) Shared() bool { return s.to.Link != nil && s.to.Link.Shared() }

// Pending returns how many calls were accepted and have not finished.
func (s *Sub) Pending() int { return int(s.flight.n.Load()) }

// applicant is a call as a standing knows it.
type applicant struct{ *Call }

func (c applicant) IsPart() bool     { return c.bits.Load()&bitPart != 0 }
func (c applicant) OfStopHook() bool { return c.StopHook() != turn.Key }
func (c applicant) OfLastTurn() bool { return c.waitsAtTheEnd() }
func (c applicant) Target() string   { return where(&c.env) }
