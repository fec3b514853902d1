// Nodes with a membership: shards that come and go

package cluster

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clstr-go/clstr/internal/coordinator"
	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/hosting"
	"github.com/clstr-go/clstr/internal/ownership"
	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/internal/standing"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/sharding"
)

// living has the shards that a node with a membership serves: they come and go.
type living struct {
	reach
	life         *dispatch.Lifetime
	transport    dispatch.Backend
	c            *coordinator.Coordinator
	shardMetrics ShardMetrics // may be nil

	routes  []atomic.Pointer[dispatch.Owner] // by shard, as far as is known
	version atomic.Uint64                    // of routes
	foreign foreignKinds

	heard  atomic.Bool  // of the store of state
	owners Subscription // answers clients from routes

	mu   sync.Mutex
	open map[uint32]*ownedShard // by shard: the latest that was opened
}

var (
	_ coordinator.Node    = (*living)(nil)
	_ coordinator.Reacher = reach{}
	_ dispatch.Owners     = (*living)(nil)
)

func newLiving(n *Node, life *dispatch.Lifetime) *living {
	l := &living{
		reach: newReach(n), life: life, transport: dispatch.BackendOf(n.opts.Transport),
		open: map[uint32]*ownedShard{},
	}
	l.foreign.store, l.foreign.log, l.foreign.ctx = n.opts.Membership, n.opts.Log, life.Context()
	l.shardMetrics, _ = n.metrics.(ShardMetrics)
	return l
}

// run takes part in the cluster until ctx ends.
func (l *living) run(ctx context.Context, log *slog.Logger) error {
	n, life := l.n, l.life
	opts := coordinator.Options{
		Self: ownership.Self{
			Ref:     record.Ref{Name: n.opts.NodeID},
			Layout:  sharding.Layout{NumShards: n.opts.NumShards, Seed: n.opts.Seed},
			Timing:  n.opts.Timing,
			Weight:  n.opts.Weight,
			Zone:    n.opts.Zone,
			Version: n.opts.Version,
			Kinds:   n.opts.hosted(),
		},
		Address: l.transport.Address(),
		Store:   n.opts.Membership, Node: l, Log: log,
		DrainTimeout: n.opts.DrainTimeout,
		StopTimeout:  n.opts.StopTimeout,
		Linger:       l.transport.Linger(),
	}
	if h, ok := l.transport.(dispatch.Hearer); ok { // a network that may fail
		opts.Hearer, opts.Reacher = h, l.reach
	}
	c, err := coordinator.New(opts)
	if err != nil {
		return err
	}
	l.c = c
	n.vitals.set(func(v *vitals) { v.takes = c })
	if err := c.Agree(ctx); err != nil { // before this node answers for owners: it may have to ask for them
		l.Left()
		if ctx.Err() != nil {
			err = nil
		}
		return errors.Join(err, life.End())
	}
	layout := c.Layout()
	if err := n.stored.admits(ctx, c.Cluster(), layout); err != nil {
		l.Left()
		return life.End() // the node's end tells
	}
	defer n.layout.init(layout, nil, n.opts.Transport, log)()
	l.routes = make([]atomic.Pointer[dispatch.Owner], layout.NumShards)
	l.owners, err = l.transport.ServeOwners(lifeContext{ctx, life.Context()}, l)
	switch {
	case ctx.Err() != nil: // asked to end while it began
		l.Left()
		return life.End() // which knows why the transport has ended
	case err != nil:
		return outcome.Annotate(err, "node "+n.opts.NodeID+" answers for owners")
	}
	err = errors.Join(c.Run(ctx), life.End())
	l.foreign.work.Wait()
	log.Info("node has ended")
	return err
}

// Served implements coordinator.Node.
func (l *living) Served(ctx context.Context) []uint64 { return l.transport.Served(ctx) }

// Admits implements coordinator.Node.
func (l *living) Admits(ctx context.Context, cluster string, layout sharding.Layout) error {
	return l.n.stored.admits(ctx, cluster, layout)
}

// Open implements coordinator.Node.
func (l *living) Open(ctx context.Context, at *standing.Standing) (coordinator.Shard, error) {
	s := &ownedShard{l: l, at: at}
	l.mu.Lock()
	l.open[at.Shard] = s // before requests come
	l.n.vitals.owns(len(l.open))
	l.mu.Unlock()
	l.n.stored.open(at.Shard, ownerOf(l.c.Cluster(), l.n.layout.layout, at.Epoch))
	to := l.n.intake.subscriber()
	to.Standing = at
	sub, err := l.subscribe(ctx, at.Shard, to)
	if err != nil {
		l.closed(s)
		l.n.stored.drop(at.Shard)
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s.sub = sub
	return s, nil
}

// subscribe waits for the store of state's first word, which may be that it is another's.
func (l *living) subscribe(ctx context.Context, shard uint32, to dispatch.Subscriber) (*dispatch.Sub, error) {
	if !l.heard.Load() {
		if err := l.n.stored.await(ctx, shard); err != nil {
			return nil, err
		}
		l.heard.Store(true)
	}
	return l.transport.Subscribe(lifeContext{ctx, l.life.Context()}, shard, to)
}

// Reachable implements coordinator.Node.
func (l *living) Reachable() bool { return connected(l.n.opts.Transport) }

// Opened implements coordinator.Node.
func (l *living) Opened(why string, gap time.Duration) {
	if l.shardMetrics != nil {
		sparse.Apart(l.n.opts.Log, "the metrics", func() { l.shardMetrics.ShardOpened(why, gap) })
	}
}

// Route implements coordinator.Node.
func (l *living) Route(shard uint32, record record.Shard) {
	owner := dispatch.Owner{Epoch: record.Epoch}
	if !record.Owner.IsZero() {
		owner.Address = record.Owner.Address()
	}
	if old := l.routes[shard].Swap(&owner); old == nil || *old != owner {
		l.version.Add(1)
	}
}

// Version implements dispatch.Owners.
func (l *living) Version() uint64 { return l.version.Load() }

// Seed implements dispatch.Owners.
func (l *living) Seed() string { return l.n.layout.layout.Seed }

// Owners implements dispatch.Owners.
func (l *living) Owners(first uint32, most int) (owners []dispatch.Owner, numShards uint32) {
	numShards = l.n.layout.layout.NumShards
	for shard := first; shard < numShards && len(owners) < most; shard++ {
		owner := dispatch.Owner{}
		if known := l.routes[shard].Load(); known != nil {
			owner = *known
		}
		owners = append(owners, owner)
	}
	return owners, numShards
}

// Left implements coordinator.Node: what the node knows of owners grows old.
func (l *living) Left() {
	if l.owners != nil {
		_ = l.owners.Unsubscribe()
	}
}

// Begins implements coordinator.Node.
func (l *living) Begins() { l.life.EndTogether(nil) }

// Final implements coordinator.Node.
func (l *living) Final(shards []uint32) {
	if l.life.Together() == nil {
		l.life.EndTogether(new(standing.Together))
	}
	hosting.Final(l.life, shards)
}

// NotServed implements coordinator.Node.
func (l *living) NotServed(shard uint32) { hosting.NotServed(l.life, shard) }

// Settled implements coordinator.Node.
func (l *living) Settled() { close(l.n.ready) }

// lapsed reports whether another may own the shard by now.
func (l *living) lapsed(shard uint32) bool {
	l.mu.Lock()
	s := l.open[shard]
	l.mu.Unlock()
	return s == nil || s.at.Elsewhere()
}

// lose is told that another owner has opened the state of a shard.
func (l *living) lose(shard uint32, epoch uint64) {
	l.mu.Lock()
	s := l.open[shard]
	l.mu.Unlock()
	if s != nil && s.at.Epoch == epoch {
		l.c.Deposed(s.at) // nothing starts any more
	}
}

// shards lists what the node serves, in ascending order.
func (l *living) shards() []uint32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(maps.Keys(l.open))
}

// pending is how many calls are in flight in the shards that the node serves.
func (l *living) pending() (calls int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.open {
		if s.sub != nil {
			calls += s.sub.Pending()
		}
	}
	return calls
}

func (l *living) closed(s *ownedShard) {
	l.mu.Lock()
	if l.open[s.at.Shard] == s {
		delete(l.open, s.at.Shard)
	}
	l.n.vitals.owns(len(l.open)) // under the lock: the last to note is right
	l.mu.Unlock()
}
