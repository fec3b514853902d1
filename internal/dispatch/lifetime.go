// Lifetime: what handlers hang their state on

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

	"github.com/clstr-go/clstr/internal/pool"
	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// Lifetime is what handlers hang their state on. A handler is a bare func and
// has no Close, and one func may serve several nodes: so each node gives the
// handlers that it calls a lifetime, through their context, and what a handler
// has made there ends with the node.
type Lifetime struct {
	log  *slog.Logger
	pool Pool
	ctx  context.Context

	handlerTimeout time.Duration // of the transport; not positive is none

	busy     atomic.Int64 // calls in flight, but those whose handlers wait for others
	bytes    atomic.Int64 // what all calls in flight hold; beside busy, because both change together
	mostBusy int64        // not positive is no limit

	mostBytes, mostOfKey int64 // the same, of bytes

	onFailed func(*outcome.Error)

	together atomic.Pointer[func(shard uint32) bool] // see EndTogether

	gone chan struct{} // closed when End has ended all

	mu     sync.Mutex
	ended  bool
	things map[any]any
	onEnd  []func()
	errs   []error // of what did not end in time
}

type lifetimeKey struct{}

// The goroutines that handlers run on.
type (
	// Pool runs tasks on goroutines of its own, so many at once as its limit
	// allows, and starts them in the order of Go, which does not block. Inside reports
	// whether the calling goroutine is one of them.
	Pool = interface {
		Go(Task)
		Inside() bool
	}
	// Task is one piece of work of a [Pool]. Run may block.
	Task = pool.Task
	// Slot is the place of a running [Task].
	Slot = pool.Slot
)

// Dispatched is implemented by transports that are built on a dispatcher: what
// their nodes' handlers make shares its goroutines and keeps its limits.
type Dispatched interface{ Dispatcher() *Dispatcher }

// NewLifetime makes a lifetime whose handlers share the goroutines, and the
// limit on running handlers, of the given transport, if it has such. log gets a few
// lines a second of each message, and how many were left out; nil is slog.Default().
func NewLifetime(log *slog.Logger, of any) *Lifetime {
	l := &Lifetime{log: sparse.New(log), things: map[any]any{}, gone: make(chan struct{}), handlerTimeout: transport.DefaultHandlerTimeout}
	l.LimitBytes(DefaultMaxInFlightBytes, DefaultMaxBytesPerKey)
	if t, ok := of.(Dispatched); ok {
		d := t.Dispatcher()
		l.pool, l.handlerTimeout = d.pool, d.limits.HandlerTimeout
	} else {
		own := pool.New(transport.DefaultMaxConcurrentHandlers)
		l.pool, l.onEnd = own, append(l.onEnd, func() {
			if err := awaitUntil(closing(own.Close), time.Now().Add(grace), "handlers or hooks of keys go on"); err != nil {
				l.Report(err)
			}
		})
	}
	l.ctx = context.WithValue(context.Background(), lifetimeKey{}, l)
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
func (l *Lifetime) Pool() Pool { return l.pool }

// LimitInFlight bounds how many calls, of all shards together, may be accepted
// and not yet finished; more are refused with [outcome.ErrOverloaded]. A handler that
// waits for a request of its own, made with its context, does not count. It must
// be called before the lifetime is used; a number that is not positive is no
// limit, which is the default.
func (l *Lifetime) LimitInFlight(most int) { l.mostBusy = int64(most) }

// Once returns the value under key, made by make when it is first asked for.
// make returns the value and what ends it, which may block; it must not use
// the lifetime. Once returns nil after End.
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
	l.onEnd = append(l.onEnd, end)
	return v
}

// End ends all that was made here, the last first, and returns when it has
// ended. It returns what was reported meanwhile. It is idempotent, and a second
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
	for _, end := range slices.Backward(ends) {
		end()
	}
	return l.reported()
}

// shardEnder is what a lifetime holds that has parts which belong to one shard.
type shardEnder interface {
	EndShard(ctx context.Context, shard uint32, lost bool) error
}

// EndShard ends what was made here for a shard that goes to another node, after
// its calls have ended: it calls the method EndShard of all values that have it,
// which return when their part has ended or with ctx. With lost, another may
// serve the shard already.
func (l *Lifetime) EndShard(ctx context.Context, shard uint32, lost bool) error {
	l.mu.Lock()
	var enders []shardEnder
	for _, v := range l.things {
		if e, ok := v.(shardEnder); ok {
			enders = append(enders, e)
		}
	}
	l.mu.Unlock()
	var errs []error
	for _, e := range enders {
		errs = append(errs, e.EndShard(ctx, shard, lost))
	}
	return errors.Join(errs...)
}

// shardLapser is what a lifetime holds that must know when a lease has ended.
type shardLapser interface{ LapseShard(shard uint32) }

// LapseShard tells what was made here that the node's lease on a shard has ended,
// and may come back: it calls the method LapseShard of all values that have it,
// which must not block.
func (l *Lifetime) LapseShard(shard uint32) {
	l.mu.Lock()
	things := slices.Collect(maps.Values(l.things))
	l.mu.Unlock()
	for _, v := range things {
		if e, ok := v.(shardLapser); ok {
			e.LapseShard(shard)
		}
	}
}

// shardHolder is what a lifetime holds that must not end its part of a shard for a while.
type shardHolder interface {
	HoldShard(shard uint32) (release func())
}

// holdShard keeps what ends with a shard from ending until release is called: a func is
// about to handle what a stop hook has told it. It calls the method HoldShard of all
// values that have it, which must not block.
func (l *Lifetime) holdShard(shard uint32) (release func()) {
	l.mu.Lock()
	things := slices.Collect(maps.Values(l.things))
	l.mu.Unlock()
	var held []func()
	for _, v := range things {
		if h, ok := v.(shardHolder); ok {
			held = append(held, h.HoldShard(shard))
		}
	}
	return func() {
		for _, f := range held {
			f()
		}
	}
}

// EndTogether says which shards end together, with nobody to take them: what a turn of
// one of them waits for is served by the others, until the subscription's Quiesce or
// Drain, and the end of its keys, are over. nil says that none do any more.
func (l *Lifetime) EndTogether(shards func(shard uint32) bool) {
	if shards == nil {
		l.together.Store(nil)
		return
	}
	l.together.Store(&shards)
}

// waitsAtTheEnd reports whether a turn of a shard that ends with the call's waits for it.
func (c *Call) waitsAtTheEnd() bool {
	shards := c.sub.life.together.Load()
	return shards != nil && (*shards)(uint32(c.env.Shard)) && c.waiting().OfShards(*shards)
}

// endsTogether reports whether the call's shard ends with others, and nobody takes it.
func (c *Call) endsTogether() bool {
	if c.sub == nil {
		return false
	}
	shards := c.sub.life.together.Load()
	return shards != nil && (*shards)(uint32(c.env.Shard))
}

// Report is called by what does not end in time: End returns err.
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

// Beside returns for how long the calling goroutine may wait at most for the handlers of
// the lifetime, because one of them has started it, may wait for it, and has no limit; 0
// for any other goroutine, which may wait until they have ended.
func (l *Lifetime) Beside() time.Duration { return beside(l.pool, l.handlerTimeout) }
