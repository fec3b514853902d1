// Lifetime: the life of a node, to which handlers attach their state

package dispatch

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clstr-go/clstr/internal/pool"
	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/internal/standing"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// Lifetime is the life of a node, to which handlers attach their state. A handler is a bare func and
// has no Close, and one func may serve several nodes. So each node gives the
// handlers that it calls a lifetime, through their context, and the things that a handler
// has made there end with the node.
type Lifetime struct {
	log  *slog.Logger
	pool *pool.Pool
	ctx  context.Context

	load      // of the calls in flight
	own  *Sub // at a dispatcher of its own: of calls outside of handlers

	onFailed func(*outcome.Error)

	together atomic.Pointer[standing.Together] // see EndTogether

	gone chan struct{} // closed when End has ended all

	mu     sync.Mutex
	ended  bool
	things map[any]any
	hosts  Hosts // of the things, the one that hosts keys; nil if there is none
	onEnd  []func()
	errs   []error // of what did not end in time
}

type lifetimeKey struct{}

// NewLifetime makes a lifetime whose handlers share the goroutines, and the
// limit on running handlers, of the given dispatcher, if there is one. log gets a few
// lines a second of each message, and how many were left out; nil is slog.Default().
func NewLifetime(log *slog.Logger, d *Dispatcher) *Lifetime {
	if d != nil {
		return newLifetime(sparse.New(log), d.life.pool, d.limits.HandlerTimeout)
	}
	own := pool.New(DefaultMaxConcurrentHandlers)
	l := newLifetime(sparse.New(log), own, DefaultHandlerTimeout)
	l.onEnd = append(l.onEnd, func() {
		if err := within(time.Now().Add(grace), own.Close); err != nil {
			l.Report(err)
		}
	})
	return l
}

func newLifetime(log *slog.Logger, p *pool.Pool, handlerTimeout time.Duration) *Lifetime {
	l := &Lifetime{log: log, pool: p, things: map[any]any{}, gone: make(chan struct{})}
	l.LimitBytes(DefaultMaxInFlightBytes, DefaultMaxBytesPerKey)
	l.Inherit(context.Background())
	l.own, _ = newDispatcher(transport.Limits{MaxPending: -1, HandlerTimeout: handlerTimeout}, l).Subscribe(l.ctx, Subscriber{}) // which is open
	return l
}

// Inherit gives the values of base to the contexts of handlers. It must be called before
// the lifetime is used.
func (l *Lifetime) Inherit(base context.Context) {
	l.ctx = context.WithValue(context.WithoutCancel(base), lifetimeKey{}, l)
}

// LifetimeFrom returns the lifetime that ctx carries, or nil.
func LifetimeFrom(ctx context.Context) *Lifetime {
	l, _ := ctx.Value(lifetimeKey{}).(*Lifetime)
	return l
}

// Context returns a context that carries the lifetime.
func (l *Lifetime) Context() context.Context { return l.ctx }

// Log returns the logger of the node or transport. It is for lines of the library:
// it writes only a few a second of each message, and how many were left out.
func (l *Lifetime) Log() *slog.Logger { return l.log }

// Pool returns the goroutines that handlers run on.
func (l *Lifetime) Pool() *pool.Pool { return l.pool }

// Once returns the value under key. make makes it when it is first asked for.
// make returns the value and a func that ends it, which may block. make must not use
// the lifetime. A value that implements [Hosts] becomes the lifetime's. Once returns nil after End.
func (l *Lifetime) Once(key any, make func() (value any, end func())) any {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return nil
	}
	if v, ok := l.things[key]; ok {
		return v
	}
	v, end := make()
	l.things[key] = v
	if h, ok := v.(Hosts); ok {
		l.hosts = h
	}
	l.onEnd = append(l.onEnd, end)
	return v
}

// End ends everything that was made here, the last first, and returns when all of it has
// ended. It returns the errors that were reported meanwhile. It is idempotent, and a second
// End waits for the first.
func (l *Lifetime) End() error {
	l.mu.Lock()
	first := !l.ended
	l.ended = true
	ends := l.onEnd
	l.onEnd = nil
	l.mu.Unlock()
	if !first {
		<-l.gone
		return l.reported()
	}
	defer close(l.gone)
	defer sparse.Flush(l.log)
	l.own.standing.End()
	l.own.d.endOwn()
	for _, end := range slices.Backward(ends) {
		end()
	}
	return l.reported()
}

// Hosts hosts keys on a lifetime.
type Hosts interface {
	// HoldShard keeps the shards that end together from ending until release is called, because a func
	// is about to handle a notification of a stop hook. It must not block.
	HoldShard(shard uint32) (release func())
}

// Hosts returns the hosts of keys here; nil for none.
func (l *Lifetime) Hosts() Hosts {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.hosts
}

// EndTogether says which shards end together, because no node is there to take them. If a turn of
// one of them waits for another, that one serves it, until the subscription's Quiesce or
// Drain, and the end of its keys, are over. nil says that no shards end together any more.
func (l *Lifetime) EndTogether(shards *standing.Together) { l.together.Store(shards) }

// Together returns the shards that end together; nil if none do.
func (l *Lifetime) Together() *standing.Together { return l.together.Load() }

// Report is called for a thing that does not end in time: End returns err.
func (l *Lifetime) Report(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.errs = append(l.errs, err)
}

func (l *Lifetime) reported() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Join(l.errs...)
}

// Beside returns how long the calling goroutine may wait at most for the handlers of
// the lifetime, if one of them has started it, may wait for it, and has no limit. For any other
// goroutine it returns 0: that one may wait until the handlers have ended. Nobody can tell whether the
// handler waits, so the goroutine is not refused.
func (l *Lifetime) Beside() time.Duration {
	if l.own.d.limits.HandlerTimeout >= 0 || !l.pool.StartedInside() {
		return 0
	}
	return DefaultHandlerTimeout + grace
}

// ObserveFailed sets a func that gets the error of each notification that fails after
// its sender was told that it was accepted, or if its sender does not wait to be told.
// f must not block. ObserveFailed must be called before the lifetime is used.
func (l *Lifetime) ObserveFailed(f func(*outcome.Error)) { l.onFailed = f }

// failed takes the error of a notification whose sender is not told.
func (l *Lifetime) failed(c *Call, err *outcome.Error) {
	if l.onFailed != nil {
		func() {
			defer sparse.Recover(l.log, "the metrics")
			l.onFailed(err)
		}()
	}
	if err.Sentinel() == outcome.ErrPanicked {
		return // its stack is in the log
	}
	l.log.Warn("notification failed", sparse.Entity(c.env.Kind, c.env.Shard, c.Key()), slog.String("type", c.env.Type), slog.String("code", err.Code), slog.Any("error", err))
}
