// The network in memory

package testkit

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/membership/memstore"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

var (
	_ transport.ClientTransport = (*memNetwork)(nil)
	_ endpoint                  = (*memNode)(nil)
)

// memNetwork is like memtransport, but each node has its own part, so that a node can
// be cut off and has limits of its own, as over NATS. The rules are the same: they are
// the dispatcher's.
type memNetwork struct {
	limits transport.Limits
	log    *slog.Logger
	closed chan struct{}
	store  *memstore.Store

	mu     sync.RWMutex
	shards map[uint32][]*memSub // the first serves
	live   bool                 // owners come and go
	count  uint32               // of the cluster's shards; 0 until a node has said it
}

func newMemNetwork(limits transport.Limits, log *slog.Logger) *memNetwork {
	return &memNetwork{limits: limits, log: log, closed: make(chan struct{}), store: memstore.New(), shards: map[uint32][]*memSub{}}
}

func (n *memNetwork) client() transport.ClientTransport { return n }

func (n *memNetwork) members() (membership.Store, func(), error) { return n.store, func() {}, nil }

func (n *memNetwork) close() {}

func (n *memNetwork) join(string) (endpoint, error) {
	d := dispatch.NewDispatcher(n.limits, n.log)
	d.SetAsk(n.askTurns)
	return &memNode{net: n, d: d, gone: make(chan struct{})}, nil
}

// Request implements transport.ClientTransport.
func (n *memNetwork) Request(ctx context.Context, env transport.Envelope) ([]byte, error) {
	if err := env.Validate(); err != nil {
		return nil, err
	}
	s, err := n.owner(uint32(env.Shard))
	if err != nil {
		if errors.Is(err, outcome.ErrNotOwner) {
			n.mu.RLock()
			defer n.mu.RUnlock()
			err = cmp.Or(wire.CheckShard(&env, n.count), err)
		}
		return nil, err
	}
	dispatch.Bound(ctx, &env)
	if err := wire.CheckRequest(ctx, &env, dispatch.Waiting(ctx), wire.DefaultMaxMessage); err != nil { // as over NATS
		return nil, err
	}
	reply, err := s.Do(ctx, env)
	if isClosed(s.node.gone) {
		return nil, lost(ctx, &env, n.closed)
	}
	return wire.CheckReply(reply, err, wire.DefaultMaxMessage)
}

// owner returns the subscription that serves the shard.
func (n *memNetwork) owner(shard uint32) (*memSub, error) {
	if isClosed(n.closed) {
		return nil, outcome.Errorf(outcome.ErrTransportClosed, "shard %d", shard)
	}
	n.mu.RLock()
	defer n.mu.RUnlock()
	switch subs := n.shards[shard]; {
	case len(subs) > 0:
		return subs[0], nil
	case n.live:
		return nil, outcome.Errorf(outcome.ErrNotOwner, "shard %d has no owner at the moment", shard)
	}
	return nil, outcome.Errorf(outcome.ErrTransportNoShardSubscriber, "shard %d", shard)
}

// askTurns is what dispatchers ask each other with.
func (n *memNetwork) askTurns(_ context.Context, shard uint32, question []byte) ([]byte, error) {
	s, err := n.owner(shard)
	if err != nil {
		return nil, err
	}
	return s.AnswerTurns(shard, question)
}

// Close implements transport.ClientTransport; the nodes close their own parts.
func (n *memNetwork) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !isClosed(n.closed) {
		close(n.closed)
	}
	return nil
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// memNode is one node's transport.
type memNode struct {
	net  *memNetwork
	d    *dispatch.Dispatcher
	gone chan struct{} // closed by cut
}

type memSub struct {
	*dispatch.Sub
	node  *memNode
	shard uint32
	epoch uint64
}

// SubscribeShard implements transport.ServerTransport.
func (n *memNode) SubscribeShard(ctx context.Context, shard uint32, h transport.HandlerFunc) (transport.Subscription, error) {
	return dispatch.SubscribeShard(ctx, n.Backend(), shard, h)
}

// Backend implements endpoint.
func (n *memNode) Backend() dispatch.Backend { return memBackend{n} }

type memBackend struct{ *memNode }

// Dispatcher implements dispatch.Backend.
func (n memBackend) Dispatcher() *dispatch.Dispatcher { return n.d }

// ServeOwners implements dispatch.Backend. In memory there is no need to ask for
// owners.
func (n memBackend) ServeOwners(_ context.Context, o dispatch.Owners) (transport.Subscription, error) {
	n.net.mu.Lock()
	defer n.net.mu.Unlock()
	_, n.net.count = o.Owners(0, 0)
	return noSubscription{}, nil
}

// Served implements dispatch.Backend: all nodes are in this process.
func (memBackend) Served(context.Context) []uint64 { return nil }

// Address implements dispatch.Backend.
func (n memBackend) Address() string { return "" }

// Linger implements dispatch.Backend.
func (memBackend) Linger() time.Duration { return 0 }

// Subscribe implements dispatch.Backend.
func (n memBackend) Subscribe(ctx context.Context, shard uint32, to dispatch.Subscriber) (*dispatch.Sub, error) {
	s := &memSub{node: n.memNode, shard: shard, epoch: to.Epoch()}
	to.Link = s
	var err error
	if s.Sub, err = n.d.Subscribe(ctx, to); err != nil {
		return nil, err
	}
	n.net.mu.Lock()
	defer n.net.mu.Unlock()
	n.net.live = n.net.live || to.Epoch() > 0
	if !isClosed(n.gone) {
		subs := append(slices.Clone(n.net.shards[shard]), s)
		slices.SortStableFunc(subs, func(a, b *memSub) int { return cmp.Compare(b.epoch, a.epoch) })
		n.net.shards[shard] = subs
	}
	return s.Sub, nil
}

// Leave implements dispatch.Link.
func (s *memSub) Leave() error {
	n := s.node.net
	n.mu.Lock()
	defer n.mu.Unlock()
	n.remove(s.shard, func(other *memSub) bool { return other == s })
	return nil
}

// Shared implements dispatch.Link. Each node of a cluster has shards of its own.
func (s *memSub) Shared() bool { return false }

// expectOwners says that shards move: one without an owner will get one.
func (n *memNetwork) expectOwners() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.live = true
}

// remove takes subscriptions to a shard out of the table. It is called with mu held.
func (n *memNetwork) remove(shard uint32, which func(*memSub) bool) {
	kept := slices.DeleteFunc(slices.Clone(n.shards[shard]), which) // a request may hold the old one
	if len(kept) == 0 {
		delete(n.shards, shard)
	} else {
		n.shards[shard] = kept
	}
}

// cut implements endpoint.
func (n *memNode) cut() {
	n.net.mu.Lock()
	defer n.net.mu.Unlock()
	close(n.gone)
	for shard := range n.net.shards {
		n.net.remove(shard, func(s *memSub) bool { return s.node == n })
	}
}

// Close implements transport.ServerTransport.
func (n *memNode) Close() error { return n.d.Close() }
