// Dispatcher and Sub: draining, room, expiry, for all transports alike

package dispatch

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/internal/peakmap"
	"github.com/clstr-go/clstr/internal/pool"
	"github.com/clstr-go/clstr/internal/standing"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// retryHint is what a refusal for want of room suggests.
const retryHint = 10 * time.Millisecond

// Dispatcher is the node side of a transport: time, room, order, panics and
// draining are written here, once for all of them. A transport subscribes its
// shards with it and hands it what arrives.
type Dispatcher struct {
	limits transport.Limits
	pool   Pool
	close  func() // of a pool of its own
	clock  *expiry.Set
	life   *Lifetime // of handlers that no node gives one
	layout sharedLayout
	asking *asking

	waits sync.Pool // chan struct{}, cap 1: see Sub.Do

	mu     sync.Mutex
	closed bool
	subs   map[*Sub]struct{}
}

// NewDispatcher makes a dispatcher. log may be nil.
func NewDispatcher(limits transport.Limits, log *slog.Logger) *Dispatcher {
	limits = withDefaults(limits)
	p := pool.New(limits.MaxConcurrentHandlers)
	d := newDispatcher(limits, p)
	d.close = p.Close
	d.life = NewLifetime(log, d)
	d.asking.log = d.life.log
	return d
}

func newDispatcher(limits transport.Limits, p Pool) *Dispatcher {
	return &Dispatcher{
		limits: limits, pool: p, subs: map[*Sub]struct{}{}, asking: newAsking(),
		clock: expiry.New(limits.HandlerTimeout, transport.DefaultRequestTimeout),
	}
}

// Sub is one shard's subscription at a dispatcher. It implements
// [transport.Subscription]; a transport wraps it to end its own part first.
type Sub struct {
	d    *Dispatcher
	to   Subscriber
	life *Lifetime
	base context.Context // carries the lifetime

	standing *standing.Standing
	inflight atomic.Int64 // calls that were accepted and have not finished
	gaveUp   atomic.Bool  // an Unsubscribe did not see its end
	keys     keyBytes
	counts   moveCounts // of a shard that may move: what that refuses or cuts off

	mu     sync.Mutex
	atRest chan struct{}                 // closed when nothing is in flight; nil if nobody waits for that
	asked  peakmap.Map[*Call, struct{}]  // of a shard that may move: those whose handlers look at their end
	late   peakmap.Map[*Call, *lateCall] // those that their handlers have left open
	giveUp time.Time                     // of a Quiesce that has failed
	ending bool                          // those are told that the shard drains
}

// Subscribe makes a subscription. ctx carries the lifetime of the node, if
// there is one; its end does not end the subscription.
func (d *Dispatcher) Subscribe(ctx context.Context, to Subscriber) (*Sub, error) {
	life := LifetimeFrom(ctx)
	if life == nil {
		life = d.life
	}
	if s := d.newSub(life, to); s != nil {
		return s, nil
	}
	return nil, outcome.New(outcome.ErrTransportClosed)
}

// newSub returns nil if the dispatcher is closed.
func (d *Dispatcher) newSub(life *Lifetime, to Subscriber) *Sub {
	s := &Sub{d: d, to: to, life: life, base: life.Context(), standing: to.Standing}
	if s.standing == nil {
		s.standing = standing.Fixed()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	d.subs[s] = struct{}{}
	return s
}

// Close ends all subscriptions as Unsubscribe does, and the handlers' goroutines. If a
// handler or a hook calls it, it does nothing and returns [outcome.ErrFromHandler]. If handlers
// go on long after their context has ended, it returns an error and does not wait for
// them; a further Close tries again.
func (d *Dispatcher) Close() error {
	if err := d.FromHandler("Close"); err != nil {
		return err
	}
	d.asking.end()
	if err := d.end(); err != nil {
		return err
	}
	if err := d.life.End(); err != nil {
		return err
	}
	return awaitUntil(closing(d.close), d.giveUp(), "handlers or hooks of keys go on")
}

// end ends the subscriptions.
func (d *Dispatcher) end() error {
	var errs []error
	giveUp := d.giveUp() // one for all: the wait does not grow with their number
	for _, s := range d.refuse() {
		errs = append(errs, s.unsubscribe(giveUp))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	d.clock.Stop()
	return nil
}

// refuse has all subscriptions refuse what comes, and returns them.
func (d *Dispatcher) refuse() []*Sub {
	d.mu.Lock()
	d.closed = true
	subs := slices.Collect(maps.Keys(d.subs))
	d.mu.Unlock()
	for _, s := range subs {
		s.standing.Stop()
	}
	return subs
}

// Dispatch takes c over: it will be answered exactly once. It never blocks.
// Calls that one sender sent one after the other must be dispatched in that
// order.
func (s *Sub) Dispatch(c *Call) { s.dispatch(c, s.to.Receiver, nil) }

// dispatch is Dispatch to a receiver of the subscription's node. from is the call whose
// handler makes this one; nil for a sender's.
func (s *Sub) dispatch(c *Call, r Receiver, from *Call) {
	c.sub = s
	size := c.size()
	c.bytes.Store(size)
	n, busy := s.inflight.Add(1), s.life.busy.Add(1)
	part := from != nil && from.sub == s && c.nestIn(from) // now: a drain that does not see c sees from
	held := s.life.bytes.Add(size)
	if !c.AwaitsReply() {
		c.serve(from) // now: a stop hook does not wait for long
	}
	moves := s.standing.Leased()
	if moves && c.AwaitsReply() {
		s.counts.ask(c)
	}
	if err := s.standing.Admit(asked{c}); err != nil {
		c.Refuse(err)
		return
	}
	if moves && !c.AwaitsReply() {
		s.counts.take(c) // before anybody else can decide it
	}
	switch {
	case part: // its room is that of the call that it is nested in
	case s.full(n):
		c.Refuse(s.overloaded(c))
		return
	case s.life.mostBusy > 0 && busy > s.life.mostBusy && (from == nil || !from.runs()):
		c.Refuse(outcome.Overloaded(retryHint, "the node has %d calls in flight: at most %d allowed", s.life.mostBusy, s.life.mostBusy))
		return
	case s.heavy(c, size, held):
		c.Refuse(outcome.Overloaded(retryHint, "the node has %d bytes of calls in flight: at most %d allowed", held-size, s.life.mostBytes))
		return
	}
	if c.env.TTLMs < 0 {
		c.Refuse(outcome.New(outcome.ErrEnvelopeExpired))
		return
	}
	if !c.far {
		c.own()
	}
	if c.until != 0 {
		now := expiry.Now()
		if now >= c.until {
			c.Expire()
			return
		}
		if c.watched() {
			s.watch(c, now)
		}
	}
	r.Accept(c)
	if !c.AwaitsReply() && c.bits.Load()&bitLate == 0 {
		c.tell(nil, nil)
	}
}

// Pending returns how many calls were accepted and have not finished.
func (s *Sub) Pending() int { return int(s.inflight.Load()) }

func (s *Sub) free() {
	if s.inflight.Add(-1) != 0 || s.standing.Phase() == standing.Serving {
		return
	}
	s.mu.Lock()
	if s.atRest != nil && s.inflight.Load() == 0 { // a drain may have admitted another since
		close(s.atRest)
		s.atRest = nil
	}
	s.mu.Unlock()
}

// rests returns a channel that is closed when nothing is in flight. The standing must have
// been changed before.
func (s *Sub) rests() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inflight.Load() == 0 {
		return closedChan
	}
	if s.atRest == nil {
		s.atRest = make(chan struct{})
	}
	return s.atRest
}

var closedChan = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// asked is a call as a standing knows it.
type asked struct{ *Call }

func (c asked) IsPart() bool     { return c.bits.Load()&bitPart != 0 }
func (c asked) OfStopHook() bool { return c.StopHook() != KeyTurn }
func (c asked) OfLastTurn() bool { return c.waitsAtTheEnd() }
func (c asked) Target() string   { return where(&c.env) }
