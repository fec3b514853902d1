// Calls that a handler makes of another handler of its node

package dispatch

import (
	"context"
	"errors"

	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// ReceiverFunc makes a receiver of a handler: each call gets a goroutine of the
// pool as soon as fewer than the limit are running.
//
// Notifications to one key run one after the other, and requests to it after
// those that came before them, so that what one sender sends to a key keeps its
// order. The notifications of a func that calls handlers of its node are acknowledged
// when it has returned, once it has done so a first time: before, as those of any func, when they are
// taken.
func (l *Lifetime) ReceiverFunc(h transport.HandlerFunc) Receiver {
	return &funcReceiver{life: l, h: h, lines: map[lineID][]*funcTask{}}
}

// HandlerFunc makes a func of a receiver, for handlers that call it. A call of the func is a nested
// call. It comes by the subscription and the standing of the call whose handler makes it, and counts
// by itself. While that handler runs, a nested call is not refused because there is no
// room or because the shard drains: the call that it is nested in has its room. Outside of a handler
// of the lifetime it is a call of the lifetime's own.
// Calls are accepted in the order in which the func is called.
func (l *Lifetime) HandlerFunc(r Receiver) transport.HandlerFunc {
	return func(ctx context.Context, env transport.Envelope) ([]byte, error) {
		if c := CallFrom(ctx); c != nil && c.sub.life == l {
			return c.sub.pass(ctx, &env, r, c)
		}
		return l.own.do(ctx, &env, r, nil)
	}
}

// SubscribeFunc subscribes a shard at a transport that only knows handlers.
func (l *Lifetime) SubscribeFunc(ctx context.Context, t transport.ServerTransport, shardID uint32, to Subscriber) (*Sub, error) {
	d := l.own.d
	link := new(funcLink)
	to.Link = link
	s, err := d.Subscribe(l.ctx, to)
	if err != nil {
		return nil, err
	}
	link.Subscription, err = t.SubscribeShard(ctx, shardID, func(ctx context.Context, env transport.Envelope) ([]byte, error) {
		// The transport's own call of this message, if it has one. The transport may have made it on
		// the node's lifetime. A call of the node's own dispatcher is that of a handler whose context
		// the transport has handed on: that sends another message.
		if c := CallFrom(ctx); c != nil && c.sub.d != d {
			return s.pass(ctx, &env, to.Receiver, c)
		}
		return s.Do(ctx, env)
	})
	if err != nil {
		return nil, errors.Join(err, s.unsubscribe(d.giveUp()))
	}
	return s, nil
}

// funcLink is the subscription at a transport that only knows handlers.
type funcLink struct{ transport.Subscription }

// Leave implements [Link].
func (l *funcLink) Leave() error { return l.Unsubscribe() }

// Shared implements [Link]. The transport does not say.
func (l *funcLink) Shared() bool { return false }

// funcError makes the error of a func that has returned an error. If a nested call may still run,
// so may this call. If the func returns the refusal of a nested call, and no other has run, this
// call has not run either.
func (a *arrival) funcError(err error) *outcome.Error {
	e := outcome.HandlerError(err)
	a.mu.Lock()
	inner := a.rest().inner
	a.mu.Unlock()
	switch {
	case inner == nil:
	case inner.Outcome == outcome.MaybeRan:
		e.Outcome = outcome.MaybeRan
	case a.bits.Load()&bitPassed == 0 && isThis(err, inner):
		e.Outcome = outcome.NotStarted
	}
	return e
}

// passedOn notes the answer of a nested call that the call's handler has got.
func (a *arrival) passedOn(err error) {
	o := outcome.Of(err)
	if !o.NeverRan() {
		a.bits.Or(bitPassed)
	}
	if o.NeverRan() || o == outcome.MaybeRan {
		a.mu.Lock()
		defer a.mu.Unlock()
		if m := a.rest(); m.inner == nil || m.inner.Outcome != outcome.MaybeRan {
			m.inner, _ = errors.AsType[*outcome.Error](err)
		}
	}
}

// isThis reports whether err passes e on. The methods of err may panic.
func isThis(err error, e *outcome.Error) (same bool) {
	defer func() { _ = recover() }()
	found, _ := errors.AsType[*outcome.Error](err)
	return found == e
}
