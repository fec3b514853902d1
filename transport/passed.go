package transport

import (
	"context"
	"errors"
)

// HandlerFunc makes a handler of a receiver, for transports that only know
// handlers, and for handlers that pass their calls on. Calls are accepted in the
// order in which the handler is called. What outlives the handler's call, a
// notification, ends at the handler timeout of the lifetime's transport.
func (l *Lifetime) HandlerFunc(r Receiver) HandlerFunc {
	sub, err := l.syncSub(r)
	return handlerFunc(sub, err)
}

// SubscribeFunc is [Lifetime.HandlerFunc] for a shard's subscription at a transport
// that only knows handlers. The returned one ends after the transport's: for the
// transport a notification is done with when it was accepted.
func (l *Lifetime) SubscribeFunc(r Receiver) (HandlerFunc, Subscription, error) {
	sub, err := l.syncSub(r)
	return handlerFunc(sub, err), sub, err
}

func handlerFunc(sub *Sub, err error) HandlerFunc {
	do := func(ctx context.Context, s *Sub, env Envelope, admitted bool) ([]byte, error) {
		if err != nil {
			return nil, err
		}
		return s.do(ctx, env, admitted)
	}
	return func(ctx context.Context, env Envelope) ([]byte, error) {
		c := CallFrom(ctx)
		if c == nil || c.task == nil {
			return do(ctx, sub, env, false)
		}
		c.task.passes()
		reply, err := do(ctx, c.sub.passing(sub), env, true)
		c.task.passedOn(err)
		return reply, err
	}
}

// syncSub subscribes r at the lifetime's own dispatcher.
func (l *Lifetime) syncSub(r Receiver) (*Sub, error) {
	d, ok := l.Once(syncDispatcher{}, func() (any, func()) {
		d := newDispatcher(Limits{MaxPending: -1, HandlerTimeout: l.handlerTimeout}, l.log, l.pool)
		d.life = l
		return d, func() { _ = d.end() }
	}).(*Dispatcher)
	if !ok {
		return nil, newError(ErrDraining)
	}
	return d.Subscribe(l.ctx, r)
}

type syncDispatcher struct{}

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

// join counts a call that a handler passes on where it came from: its end is waited
// for there, also when the handler has returned.
func (s *Sub) join(c *Call) {
	c.bits.Or(bitPart)
	s.parts.Add(1)
	s.inflight.Add(1)
}

// apart says that the handler that has passed the call on waits for it no longer: it
// is pending in its own right.
func (c *Call) apart() {
	if c.bits.And(^bitPart)&bitPart != 0 {
		c.sub.outer.parts.Add(-1)
	}
}

// Pending returns how many calls were accepted and have not finished.
func (s *Sub) Pending() int {
	return int(max(0, s.inflight.Load()%refusing-s.parts.Load()))
}

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
