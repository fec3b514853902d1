// How keys map to shards, as a client is told or learns it

package cluster

import (
	"context"
	"errors"
	"hash/maphash"
	"sync/atomic"
	"time"

	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/sharding"
	"github.com/clstr-go/clstr/transport"
)

// layoutPause is how long a client waits before it asks again how keys map to shards.
const layoutPause = 100 * time.Millisecond

// layoutAgain is how long calls have no owner before the client asks again, and how
// often it asks.
const layoutAgain = time.Second

// mapping is how keys map to shards, as a client knows it.
type mapping struct {
	layout sharding.Layout
	print  uint64   // of layout
	called shardSet // shards that a call was made to
	last   lastShards
}

// shard returns the shard of a key.
func (m *mapping) shard(key string) uint32 { return m.last.of(key, m.layout.Shard) }

// known is the mapping that a client's options say, or that it has learnt from nodes.
type known struct {
	mapping atomic.Pointer[mapping]
	nodes   transport.LayoutTransport // nil where the options say it
	asks    chan struct{}             // holds the turn of the one call that asks
	why     atomic.Pointer[error]     // why no node has said it so far
	next    time.Time                 // when they may be asked again; of the call that has the turn
}

func (k *known) init(opts ClientOptions) {
	if opts.NumShards > 0 {
		k.mapping.Store(newMapping(sharding.Layout{NumShards: opts.NumShards, Seed: opts.Seed}))
		return
	}
	k.nodes, k.asks = opts.Transport.(transport.LayoutTransport), make(chan struct{}, 1)
}

func newMapping(l sharding.Layout) *mapping {
	m := &mapping{layout: l, print: l.Fingerprint(), called: newShardSet(l.NumShards)}
	m.last.seed = maphash.MakeSeed()
	return m
}

// outdated reports whether a call that never ran may run now, because the mapping that the client
// had learnt holds no more.
func (k *known) outdated(m *mapping, err error) bool {
	if k.nodes == nil || !outcome.Of(err).NeverRan() {
		return false
	}
	if errors.Is(outer(err), ErrLayoutMismatch) {
		k.mapping.CompareAndSwap(m, nil)
	}
	return k.mapping.Load() != m
}

// look asks the nodes again, because a shard has had no owner for a while: there may be
// fewer shards than the client has learnt. One call looks for all, once a second.
func (k *known) look(ctx context.Context, m *mapping) (changed bool) {
	if k.nodes == nil {
		return false
	}
	select {
	case k.asks <- struct{}{}:
		defer func() { <-k.asks }()
	default:
		return k.mapping.Load() != m
	}
	if now := time.Now(); now.After(k.next) {
		k.next = now.Add(layoutAgain)
		if l, err := k.ask(ctx); err == nil && l != m.layout {
			k.mapping.CompareAndSwap(m, newMapping(l))
		}
	}
	return k.mapping.Load() != m
}

// ask asks the nodes. It is called by the call that has the turn.
func (k *known) ask(ctx context.Context) (sharding.Layout, error) {
	numShards, seed, err := k.nodes.Layout(ctx)
	l := sharding.Layout{NumShards: numShards, Seed: seed}
	if err == nil {
		if err = l.Validate(); err != nil {
			err = outcome.Errorf(ErrLayoutMismatch, "a node's answer has a bad layout: %v", err).WithOutcome(NotSent)
		}
	}
	return l, err
}

// learn returns the mapping, and asks the nodes for it until one answers or ctx ends. One
// call asks for all calls that wait. The error at its deadline says why no node has
// answered.
func (k *known) learn(ctx context.Context) (*mapping, error) {
	select {
	case k.asks <- struct{}{}:
		defer func() { <-k.asks }()
	case <-ctx.Done():
		return nil, k.unlearnt(ctx)
	}
	for {
		if m := k.mapping.Load(); m != nil {
			return m, nil
		}
		l, err := k.ask(ctx)
		switch {
		case err == nil:
			m := newMapping(l)
			k.mapping.Store(m)
			return m, nil
		case errors.Is(err, ErrTransportClosed):
			return nil, err
		case ctx.Err() == nil:
			k.why.Store(&err)
		}
		select {
		case <-time.After(layoutPause):
		case <-ctx.Done():
			return nil, k.unlearnt(ctx)
		}
	}
}

func (k *known) unlearnt(ctx context.Context) error {
	if why := k.why.Load(); why != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return *why
	}
	return outcome.ContextError(ctx.Err(), outcome.NotSent)
}
