// Dispatcher: what the subscriptions of a transport share, and their common end

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
	"github.com/clstr-go/clstr/internal/pool"
	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/internal/standing"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// Dispatcher is the node side of a transport: time, room, order, panics and
// draining are written here, once for all transports. A transport subscribes its
// shards with it and hands it each call that arrives.
type Dispatcher struct {
	limits transport.Limits
	life   *Lifetime // of handlers that no node gives one; its pool is the dispatcher's
	clock  expiry.Set
	layout struct { // what the nodes know of the mapping of keys to shards
		mu    sync.Mutex
		nodes int
		print *atomic.Uint64
	}
	asking *asking

	spare spares // of this process
	far   spares
	waits sync.Pool // chan struct{}, cap 1: those of calls that are not used again

	mu     sync.Mutex
	closed bool
	subs   map[*Sub]struct{}
}

// NewDispatcher makes a dispatcher. log may be nil.
func NewDispatcher(limits transport.Limits, log *slog.Logger) *Dispatcher {
	limits = withDefaults(limits)
	return newDispatcher(limits, newLifetime(sparse.New(log), pool.New(limits.MaxConcurrentHandlers), limits.HandlerTimeout))
}

func newDispatcher(limits transport.Limits, l *Lifetime) *Dispatcher {
	d := &Dispatcher{limits: limits, life: l, subs: map[*Sub]struct{}{}, asking: newAsking(l)}
	d.spare.clock, d.far.clock = &d.clock, &d.clock
	return d
}

// SetLog replaces the logger, which is for handlers that no node gives one. It must be
// called before the first subscription.
func (d *Dispatcher) SetLog(log *slog.Logger) { d.life.log = sparse.New(log) }

// SetAsk gives the dispatcher a way to ask the owner of a shard what turns wait for
// there: ask takes the question to the owner's subscription, and returns what
// [Sub.AnswerTurns] answers. Questions and answers are for nodes only, because a shard
// that is handed over serves a call that names a turn in an answer. SetAsk must be called
// before the first subscription. Without it, chains of requests that cross wait until
// their deadlines.
func (d *Dispatcher) SetAsk(ask func(ctx context.Context, shard uint32, question []byte) ([]byte, error)) {
	d.asking.send = ask
}

// ReceiverFunc is [Lifetime.ReceiverFunc] for a handler that no node gives a lifetime.
func (d *Dispatcher) ReceiverFunc(h transport.HandlerFunc) Receiver { return d.life.ReceiverFunc(h) }

// Subscribe makes a subscription. ctx carries the lifetime of the node, if
// there is one; its end does not end the subscription.
func (d *Dispatcher) Subscribe(ctx context.Context, to Subscriber) (*Sub, error) {
	life := LifetimeFrom(ctx)
	if life == nil {
		life = d.life
	}
	s := &Sub{d: d, to: to, life: life, standing: to.Standing}
	if s.standing == nil {
		s.standing = standing.Fixed()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, outcome.New(outcome.ErrTransportClosed)
	}
	d.subs[s] = struct{}{}
	return s, nil
}

// JoinLayout returns the fingerprint of the mapping of keys to shards that the
// nodes of the transport use, 0 as long as none of them knows it. The node that learns it first
// sets it. It is forgotten when each of these nodes has called leave.
func (d *Dispatcher) JoinLayout() (print *atomic.Uint64, leave func()) {
	l := &d.layout
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.nodes == 0 {
		l.print = new(atomic.Uint64)
	}
	l.nodes++
	return l.print, sync.OnceFunc(func() {
		l.mu.Lock()
		l.nodes--
		l.mu.Unlock()
	})
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
	return within(d.giveUp(), d.life.pool.Close)
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

// endOwn ends the subscriptions of a lifetime's own dispatcher. Its clock goes on, because handlers
// that were given up may still run.
func (d *Dispatcher) endOwn() {
	giveUp := d.giveUp()
	for _, s := range d.refuse() {
		if !s.gaveUp.Load() {
			_ = s.unsubscribe(giveUp) // what goes on is told by what runs it
		}
	}
}

// refuse makes all subscriptions refuse new calls, and returns them.
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

// HandlerLoad returns how many handlers and hooks hold a place under the limit on running handlers, and how many wait for one.
func (d *Dispatcher) HandlerLoad() (running, waiting int) { return d.life.pool.Load() }

// FromHandler returns [outcome.ErrFromHandler] if the calling goroutine runs a handler or a hook:
// what waits for those to end must not be called by them. what names it.
func (d *Dispatcher) FromHandler(what string) error {
	if d.life.pool.Inside() {
		return outcome.Errorf(outcome.ErrFromHandler, "%s would wait for the handler that calls it: call it from a goroutine that the handler does not wait for", what)
	}
	return nil
}

// giveUp is the moment until which an unsubscription that begins now waits; the
// zero time is never.
func (d *Dispatcher) giveUp() time.Time {
	if most := d.life.Beside(); most > 0 {
		return time.Now().Add(most)
	}
	if d.limits.HandlerTimeout < 0 {
		return time.Time{}
	}
	return time.Now().Add(d.limits.HandlerTimeout + grace)
}

func withDefaults(l transport.Limits) transport.Limits {
	if l.MaxConcurrentHandlers == 0 {
		l.MaxConcurrentHandlers = DefaultMaxConcurrentHandlers
	}
	if l.MaxPending == 0 {
		l.MaxPending = DefaultMaxPending
	}
	if l.HandlerTimeout == 0 {
		l.HandlerTimeout = DefaultHandlerTimeout
	}
	l.HandlerTimeout = min(l.HandlerTimeout, expiry.Forever)
	return l
}
