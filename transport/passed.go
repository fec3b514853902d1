// Calls that a handler passes on: part of the call that they came by

package transport

import (
	"context"
	"errors"

	"github.com/clstr-go/clstr/internal/expiry"
)

// HandlerFunc makes a handler of a receiver, for transports that only know
// handlers, and for handlers that pass their calls on. Calls are accepted in the
// order in which the handler is called. What outlives the handler's call, a
// notification, ends at the handler timeout of the lifetime's transport.
func (l *Lifetime) HandlerFunc(r Receiver) HandlerFunc {
	sub, err := l.syncSub(r)
	return l.handlerFunc(sub, err)
}

// SubscribeFunc is [Lifetime.HandlerFunc] for a shard's subscription at a transport
// that only knows handlers. The returned one ends after the transport's: for the
// transport a notification is done with when it was accepted.
func (l *Lifetime) SubscribeFunc(r Receiver) (HandlerFunc, Subscription, error) {
	sub, err := l.syncSub(r)
	return l.handlerFunc(sub, err), sub, err
}

func (l *Lifetime) handlerFunc(sub *Sub, err error) HandlerFunc {
	do := func(ctx context.Context, s *Sub, env Envelope, from *Call) ([]byte, error) {
		if err != nil {
			return nil, err
		}
		return s.do(ctx, env, from)
	}
	return func(ctx context.Context, env Envelope) ([]byte, error) {
		c := CallFrom(ctx)
		switch {
		case c == nil, c.task == nil && c.sub.life != l:
			return do(ctx, sub, env, nil)
		case c.task == nil: // a key's turn, which answers for itself
			return do(ctx, c.sub.passing(sub), env, c)
		}
		c.task.passes()
		to := sub
		if c.task.r.life == l { // it was not the transport, which knows handlers only
			to = c.sub.passing(sub)
		}
		reply, err := do(ctx, to, env, c)
		c.task.passedOn(err)
		return reply, err
	}
}

// syncSub subscribes r at the lifetime's own dispatcher.
func (l *Lifetime) syncSub(r Receiver) (*Sub, error) {
	d, ok := l.Once(syncDispatcher{}, func() (any, func()) {
		d := newDispatcher(Limits{MaxPending: -1, HandlerTimeout: l.handlerTimeout}, l.pool)
		d.life = l
		return d, d.endSync
	}).(*Dispatcher)
	if !ok {
		return nil, newError(ErrDraining)
	}
	return d.Subscribe(l.ctx, r)
}

type syncDispatcher struct{}

// endSync ends the subscriptions of a lifetime's own dispatcher. Its clock goes on: of
// what was passed on, and was given up where it came from, some may still run.
func (d *Dispatcher) endSync() {
	giveUp := d.giveUp()
	for _, s := range d.refuse() {
		if !s.gaveUp.Load() {
			_ = s.unsubscribe(giveUp) // what goes on is told by what runs it
		}
	}
}

// passing returns the subscription of calls that the handlers of s pass on to
// another; nil if that is.
func (s *Sub) passing(to *Sub) *Sub {
	if to == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	in := s.inner[to]
	if in == nil {
		in = &Sub{d: to.d, receiver: to.receiver, observer: to.observer, life: to.life, base: to.base, gate: s.gate, outer: s.home(), to: to}
		if s.inner == nil {
			s.inner = map[*Sub]*Sub{}
		}
		s.inner[to] = in
	}
	return in
}

// home is the subscription at which the transport has handed in the calls of s.
func (s *Sub) home() *Sub {
	if s.outer != nil {
		return s.outer
	}
	return s
}

// join makes c part of the call whose handler passes it on: that counts as in flight
// until all its parts have finished too. It returns false if the call itself has, and
// a goroutine of its handler goes on: then c counts by itself, and nothing waits for it.
func (c *Call) join() (part bool) {
	home := c.sub.outer
	home.lastPart.Store(expiry.Now())
	for {
		old := c.from.bits.Load()
		if old&bitOver != 0 || old>>partShift == 1<<(32-partShift)-1 {
			break
		}
		if c.from.bits.CompareAndSwap(old, old+onePart) {
			return true
		}
	}
	c.alone = true
	home.inflight.Add(1)
	return false
}

// finished is called when the call has; it returns true if it has no parts which go
// on. They may wait for long, and lead to it: a func has its own copy of the envelope,
// so the payload goes. The context of a key's turn may be kept, and has its message
// from here.
func (c *Call) finished() (last bool) {
	if last = c.bits.Or(bitOver)>>partShift == 0; !last && c.task != nil {
		c.mu.Lock() // a goroutine of the handler may still ask for its headers
		c.env.Data, c.env.Headers = nil, nil
		c.mu.Unlock()
	}
	return last
}

// partFinished is called when all of one part has.
func (c *Call) partFinished() (last bool) {
	now := c.bits.Add(-onePart & (1<<32 - 1))
	return now&bitOver != 0 && now>>partShift == 0
}

// depart is called when c has finished, with all its parts.
func (c *Call) depart() {
	s := c.sub
	s.free()
	if s.outer == nil {
		return
	}
	if c.alone {
		s.outer.free()
	} else if c.from.partFinished() {
		c.from.depart()
	}
}

// Pending returns how many calls were accepted and have not finished.
func (s *Sub) Pending() int { return int(s.inflight.Load() % refusing) }

// passes notes that the handler passes a call on.
func (t *funcTask) passes() {
	if !t.r.passes.Load() {
		t.r.passes.Store(true)
	}
}

// passedOn notes what became of the call where its handler has passed it on: err
// is nil when a notification was accepted, or a request answered.
func (t *funcTask) passedOn(err error) {
	c := t.c
	c.mu.Lock()
	switch o := OutcomeOf(err); {
	case o.NeverRan():
		t.refused, _ = errors.AsType[*Error](err)
	case o == MaybeRan:
		t.unknown = true
	default:
		t.ran = true
	}
	c.mu.Unlock()
	if err == nil && !c.AwaitsReply() {
		c.sub.home().counts.leave(c) // it counts where it was passed on to
		t.moveOn()
		c.accepted()
	}
}

// failed makes the error of a handler that has returned one. What is known of
// the call where it was passed on goes before that this handler has ended: it
// may be running there still, or was refused by it.
func (t *funcTask) failed(err error) *Error {
	e := HandlerError(err)
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	switch {
	case t.unknown:
		e.Outcome = MaybeRan
	case t.refused != nil && !t.ran && isThis(err, t.refused):
		e.Outcome = NotStarted
	}
	return e
}

// isThis reports whether err passes e on. The methods of err may panic.
func isThis(err error, e *Error) (same bool) {
	defer func() { _ = recover() }()
	found, _ := errors.AsType[*Error](err)
	return found == e
}
