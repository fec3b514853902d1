package transport

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/internal/pool"
)

// Defaults of [Limits], and of a call whose context has no deadline.
const (
	DefaultMaxConcurrentHandlers = 100
	DefaultMaxPending            = 16 << 10
	DefaultHandlerTimeout        = 30 * time.Second
	DefaultRequestTimeout        = 30 * time.Second
)

// retryHint is what a refusal for want of room suggests.
const retryHint = 10 * time.Millisecond

// Limits bound what a node takes on. Every transport has them among its
// options.
type Limits struct {
	// MaxConcurrentHandlers is how many handlers run at once; more wait for a
	// place, in order. A handler that waits for a request of its own, made with
	// its context, does not count. 0 = default (100), -1 = unlimited.
	MaxConcurrentHandlers int
	// MaxPending is how many calls of one shard may be accepted and not yet
	// finished; more are refused with [ErrOverloaded]. 0 = default (16,384),
	// -1 = unlimited.
	MaxPending int
	// HandlerTimeout ends the wait for a handler, counted from its start: its
	// context ends and the caller gets [ErrHandlerTimeout]. 0 = default (30 s),
	// -1 = none.
	HandlerTimeout time.Duration
}

func (l Limits) withDefaults() Limits {
	if l.MaxConcurrentHandlers == 0 {
		l.MaxConcurrentHandlers = DefaultMaxConcurrentHandlers
	}
	if l.MaxPending == 0 {
		l.MaxPending = DefaultMaxPending
	}
	if l.HandlerTimeout == 0 {
		l.HandlerTimeout = DefaultHandlerTimeout
	}
	return l
}

// Validate refuses a limit below -1.
func (l Limits) Validate() error {
	switch {
	case l.MaxConcurrentHandlers < -1:
		return Errorf(ErrBadOption, "MaxConcurrentHandlers %d: -1 (unlimited), 0 (default) or more", l.MaxConcurrentHandlers)
	case l.MaxPending < -1:
		return Errorf(ErrBadOption, "MaxPending %d: -1 (unlimited), 0 (default) or more", l.MaxPending)
	case l.HandlerTimeout < -1:
		return Errorf(ErrBadOption, "HandlerTimeout %v: -1 (none), 0 (default) or a duration", l.HandlerTimeout)
	}
	return nil
}

// Dispatcher is the node side of a transport: time, room, order, panics and
// draining are written here, once for all of them. A transport subscribes its
// shards with it and hands it what arrives.
type Dispatcher struct {
	limits Limits
	logger *slog.Logger
	pool   *pool.Pool
	life   *Lifetime // of handlers that no node gives one

	waits sync.Pool // chan struct{}, cap 1: see Sub.Do

	mu     sync.Mutex
	closed bool
	subs   map[*Sub]struct{}
}

// NewDispatcher makes a dispatcher. log may be nil.
func NewDispatcher(limits Limits, log *slog.Logger) *Dispatcher {
	if log == nil {
		log = slog.Default()
	}
	limits = limits.withDefaults()
	d := newDispatcher(limits, log, pool.New(limits.MaxConcurrentHandlers))
	d.life = NewLifetime(log, d)
	return d
}

func newDispatcher(limits Limits, log *slog.Logger, p *pool.Pool) *Dispatcher {
	return &Dispatcher{limits: limits, logger: log, pool: p, subs: map[*Sub]struct{}{}}
}

// Sub is one shard's subscription at a dispatcher. It implements
// [Subscription]; a transport wraps it to end its own part first.
type Sub struct {
	d        *Dispatcher
	receiver Receiver
	base     context.Context // carries the lifetime
	clock    *expiry.Set

	mu       sync.Mutex
	closed   bool
	inflight int
	drained  chan struct{} // made by Unsubscribe, closed at inflight 0
}

// The classes of a sub's clock.
const (
	classHandler = iota // the handler timeout
	classRequest        // the default TTL
)

// Subscribe makes a subscription. ctx carries the lifetime of the node, if
// there is one; its end does not end the subscription.
func (d *Dispatcher) Subscribe(ctx context.Context, r Receiver) (*Sub, error) {
	s := &Sub{d: d, receiver: r}
	life := LifetimeFrom(ctx)
	if life == nil {
		life = d.life
	}
	s.base = life.Context()
	s.clock = expiry.New(d.limits.HandlerTimeout, DefaultRequestTimeout)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, newError(ErrTransportClosed)
	}
	d.subs[s] = struct{}{}
	return s, nil
}

// SetLog replaces the logger. It must be called before the first subscription.
func (d *Dispatcher) SetLog(log *slog.Logger) { d.logger = log }

// Pool returns the pool that the dispatcher's handlers run on.
func (d *Dispatcher) Pool() *pool.Pool { return d.pool }

// Close ends all subscriptions as Unsubscribe does, and the handlers'
// goroutines. It returns an error if handlers are still running when their
// context has ended long since; it does not wait for those.
func (d *Dispatcher) Close() error {
	if err := d.end(); err != nil {
		return err
	}
	d.life.End()
	d.pool.Close()
	return nil
}

// end ends the subscriptions.
func (d *Dispatcher) end() error {
	d.mu.Lock()
	d.closed = true
	subs := make([]*Sub, 0, len(d.subs))
	for s := range d.subs {
		subs = append(subs, s)
	}
	d.mu.Unlock()
	for _, s := range subs {
		s.refuseNew()
	}
	var errs []error
	for _, s := range subs {
		errs = append(errs, s.Unsubscribe())
	}
	return errors.Join(errs...)
}

func (s *Sub) log() *slog.Logger { return s.d.logger }

// Dispatch takes c over: it will be answered exactly once. It never blocks.
// Calls that one sender sent one after the other must be dispatched in that
// order.
func (s *Sub) Dispatch(c *Call) {
	c.sub = s
	s.mu.Lock()
	s.inflight++
	closed, full := s.closed, s.d.limits.MaxPending >= 0 && s.inflight > s.d.limits.MaxPending
	s.mu.Unlock()
	switch {
	case closed:
		c.Refuse(Errorf(ErrDraining, "%s", c.env.where()))
		return
	case full:
		c.Refuse(Overloaded(retryHint, "shard %d has %d pending calls: at most %d allowed", c.env.Shard, s.d.limits.MaxPending, s.d.limits.MaxPending))
		return
	case c.env.TTLMs < 0:
		c.Refuse(newError(ErrEnvelopeExpired))
		return
	}
	if c.until != 0 {
		now := expiry.Now()
		if now >= c.until {
			c.Expire()
			return
		}
		if c.watchTTL {
			s.watch(c, now)
		}
	}
	s.receiver.Accept(c)
	if c.env.Delivery == AwaitAccept {
		c.tell(nil, nil)
	}
}

// watch wakes the sender of a call in this process at its TTL.
func (s *Sub) watch(c *Call, now int64) {
	if left := c.until - now; c.env.TTLMs == DefaultRequestTimeout.Milliseconds() && left > int64(DefaultRequestTimeout)*9/10 {
		s.clock.Add(&c.node, c, classRequest, now)
		return
	}
	c.mu.Lock()
	c.timer = time.AfterFunc(time.Duration(c.until-now), c.Expire)
	c.mu.Unlock()
}

// runUntil is the moment at which a handler that starts now must be done.
func (s *Sub) runUntil(until, now int64) int64 {
	if t := s.d.limits.HandlerTimeout; t > 0 && (until == 0 || now+int64(t) < until) {
		return now + int64(t)
	}
	return until
}

// watchHandler ends the wait for a handler that has just started.
func (s *Sub) watchHandler(c *Call, now int64) {
	if c.runUntil == c.until {
		return
	}
	s.clock.Add(&c.node, c, classHandler, now)
	if c.bits.Load()&bitAnswered != 0 {
		s.clock.Remove(&c.node) // it was decided before it was in the set
	}
}

func (s *Sub) unwatch(c *Call, started bool) {
	if c.watchTTL || started && c.runUntil != c.until {
		s.clock.Remove(&c.node)
	}
}

func (s *Sub) release() {
	s.mu.Lock()
	s.inflight--
	if s.inflight == 0 && s.drained != nil {
		close(s.drained)
		s.drained = nil
	}
	s.mu.Unlock()
}

func (s *Sub) refuseNew() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
}

// grace is how long a handler may go on after its context has ended, before
// nobody waits for it any more.
const grace = 5 * time.Second

// Unsubscribe implements [Subscription]: it refuses what arrives from now on
// and returns when every accepted call has finished. Calls are answered at the
// handler timeout at the latest; a handler that goes on regardless is given up
// soon after, with an error.
func (s *Sub) Unsubscribe() error {
	s.mu.Lock()
	s.closed = true
	var drained chan struct{}
	if s.inflight > 0 {
		if s.drained == nil {
			s.drained = make(chan struct{})
		}
		drained = s.drained
	}
	s.mu.Unlock()
	err := s.await(drained)
	s.clock.Stop()
	s.d.mu.Lock()
	delete(s.d.subs, s)
	s.d.mu.Unlock()
	return err
}

func (s *Sub) await(drained chan struct{}) error {
	if drained == nil {
		return nil
	}
	if s.d.limits.HandlerTimeout < 0 {
		<-drained
		return nil
	}
	giveUp := time.NewTimer(s.d.limits.HandlerTimeout + grace)
	defer giveUp.Stop()
	select {
	case <-drained:
		return nil
	case <-giveUp.C:
		return Errorf(ErrHandlerTimeout, "%d handlers ignore the end of their context", s.Pending())
	}
}

// Pending returns how many calls were accepted and have not finished.
func (s *Sub) Pending() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.inflight
}
