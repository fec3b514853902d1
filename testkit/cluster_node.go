// The nodes of a cluster: how they start, stop and die

package testkit

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/sharding"
	"github.com/clstr-go/clstr/transport"
)

// network is what a kind of transport gives a cluster.
type network interface {
	// client returns the transport that the clients share.
	client() transport.ClientTransport
	// join makes the transport of one node.
	join(id string) (endpoint, error)
	// members opens a node's way to the store of members of a live cluster.
	members() (_ membership.Store, close func(), _ error)
	// close ends what the transports have not closed themselves.
	close()
}

// endpoint is a node's own transport.
type endpoint interface {
	transport.ServerTransport
	Backend() dispatch.Backend
	// cut takes the node off the network without a word. When it returns, new requests
	// find no subscriber.
	cut()
}

// member is one run of a node.
type member struct {
	id       string
	endpoint endpoint
	link     *link // to the store of members, in a live cluster
	state    *stateLink
	cancel   context.CancelFunc
	killed   bool
	wasCut   bool // from the store of members, or paused
	still    *stillness
	ended    chan struct{} // closed when it and its transport have ended, or it could not
	err      error         // set before ended is closed
}

// fleet is the nodes of a cluster, and which of them owns which shard.
type fleet struct {
	t       testing.TB
	opts    ClusterOptions
	net     network
	history *history
	ids     []string        // of all, those that do not run included
	base    context.Context // of handlers

	mu     sync.Mutex
	owners *sharding.Assignment // never changes, but in a live cluster
	last   map[string]*member   // the last of each ID
	gone   []*member            // killed; waited for at the end
}

func newFleet(t testing.TB, opts ClusterOptions, h *history) (*fleet, error) {
	f := &fleet{t: t, opts: opts, history: h, last: map[string]*member{}}
	for i := range opts.Nodes {
		f.ids = append(f.ids, fmt.Sprintf("node-%d", i))
	}
	given := f.ids
	if opts.Live {
		given = nil // those that run
	}
	var err error
	f.owners, err = sharding.NewAssignment(sharding.Layout{NumShards: opts.NumShards, Seed: opts.Seed}, given)
	return f, err
}

func (f *fleet) stop(id string) {
	f.t.Helper()
	if m := f.take(id); m != nil {
		m.cancel()
		f.await(m)
	}
}

func (f *fleet) kill(id string) {
	f.t.Helper()
	if m := f.take(id); m != nil {
		f.mu.Lock()
		m.killed = true
		f.gone = append(f.gone, m)
		f.mu.Unlock()
		if m.link != nil {
			m.link.cut.Store(true)
		}
		m.endpoint.cut()
		m.state.kill()
		m.cancel()
	}
}

// running returns a node that runs, or nil.
func (f *fleet) running(id string) *member {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last[id]
}

// disturbed returns a node that runs, or nil. If outlives is set, it also notes that the
// node's actors may outlive its ownership of their shards from now on.
func (f *fleet) disturbed(id string, outlives bool) *member {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.last[id]
	if m != nil {
		m.wasCut = m.wasCut || outlives
	}
	return m
}

// owner returns the node that should own a shard: in a live cluster, among those that
// run.
func (f *fleet) owner(shard uint32) (string, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.owners.Owner(shard)
}

func (f *fleet) shards(id string) []uint32 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.owners.Shards(id)
}

func (f *fleet) mustKnow(id string) {
	f.t.Helper()
	if !slices.Contains(f.ids, id) {
		f.t.Fatalf("testkit: no node %q; the nodes are %v", id, f.ids)
	}
}

func (f *fleet) take(id string) *member {
	f.t.Helper()
	f.mustKnow(id)
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.last[id]
	delete(f.last, id)
	if f.opts.Live {
		f.owners.Leave(id)
	}
	return m
}

// start starts nodes side by side and waits until they are ready.
func (f *fleet) start(ids ...string) {
	f.t.Helper()
	ready := make([]<-chan struct{}, 0, len(ids))
	members := make([]*member, 0, len(ids))
	for _, id := range ids {
		ep, err := f.net.join(id)
		if err != nil {
			f.t.Fatalf("testkit: node %s: %v", id, err)
			return
		}
		opts := cluster.NodeOptions{
			Log:         slog.New(unasked{f.opts.Log.Handler()}),
			NodeID:      id,
			Transport:   &nodeSide{ep, id, nil},
			BaseContext: f.base,
			Handler:     f.opts.Handler,
			Kinds:       f.opts.Kinds,
			Around:      f.opts.Around,
			Metrics:     f.opts.Metrics,
			NumShards:   f.opts.NumShards,
			Seed:        f.opts.Seed,
			StopTimeout: f.opts.StopTimeout,
		}
		ctx, cancel := context.WithCancel(context.Background())
		m := &member{id: id, endpoint: ep, still: new(stillness), cancel: cancel, ended: make(chan struct{})}
		m.state = newStateLink(f.opts.State, m.still)
		opts.State = m.state
		if f.opts.Live {
			store, closeStore, err := f.net.members()
			if err != nil {
				f.t.Fatalf("testkit: node %s: %v", id, err)
				return
			}
			m.link = &link{Store: store, close: closeStore, still: m.still}
			opts.Transport = &nodeSide{ep, id, m.still}
			opts.Membership, opts.Timing = m.link, f.opts.Timing
			opts.Metrics = f.history.watch(f.opts.Metrics, m)
		} else {
			opts.Shards = f.shards(id)
		}
		node := cluster.NewNode(opts)
		f.mu.Lock()
		f.last[id] = m
		f.owners.Join(id, 1)
		f.mu.Unlock()
		go m.run(ctx, node) // ends at cancel; await waits
		members, ready = append(members, m), append(ready, node.Ready())
	}
	for i, m := range members {
		select {
		case <-ready[i]:
		case <-m.ended:
			f.take(m.id)
			f.t.Fatalf("testkit: node %s: %v", m.id, m.err)
		}
	}
}

// await waits for a node's end. A node that was killed cannot end cleanly.
func (f *fleet) await(m *member) {
	f.t.Helper()
	<-m.ended
	if m.err != nil && !m.killed {
		f.t.Errorf("testkit: node %s: %v", m.id, m.err)
	}
}

// end ends nodes side by side.
func (f *fleet) end() {
	f.mu.Lock()
	all := slices.Concat(f.gone, slices.Collect(maps.Values(f.last)))
	f.mu.Unlock()
	for _, m := range all {
		m.cancel()
	}
	for _, m := range all {
		f.await(m)
	}
}

func (m *member) run(ctx context.Context, node *cluster.Node) {
	if m.link != nil {
		defer m.link.close()
	}
	if m.err = node.Run(ctx); m.err != nil {
		// A handler that does not end keeps the transport open; the test is to
		// fail, not to hang.
		close(m.ended)
		_ = m.endpoint.Close()
		return
	}
	m.err = m.endpoint.Close()
	close(m.ended)
}

// nodeSide leaves the node's ID where a [Recorder] finds it.
type nodeSide struct {
	endpoint
	id    string
	still *stillness // of a node in a live cluster
}

// Backend is what the node uses.
func (n *nodeSide) Backend() dispatch.Backend { return nodeBackend{n.endpoint.Backend(), n} }

type nodeBackend struct {
	dispatch.Backend
	n *nodeSide
}

type nodeIDKey struct{}

// Subscribe implements dispatch.Backend.
func (b nodeBackend) Subscribe(ctx context.Context, shard uint32, to dispatch.Subscriber) (*dispatch.Sub, error) {
	b.n.leaveID(ctx)
	if b.n.still != nil {
		to.Receiver = pausable{to.Receiver, b.n.still}
	}
	return b.Backend.Subscribe(ctx, shard, to)
}

func (n *nodeSide) leaveID(ctx context.Context) {
	if life := dispatch.LifetimeFrom(ctx); life != nil {
		life.Once(nodeIDKey{}, func() (any, func()) { return n.id, func() {} })
	}
}

// nodeIDFrom returns the ID of the testkit node whose handler was given ctx.
func nodeIDFrom(ctx context.Context) string {
	life := dispatch.LifetimeFrom(ctx)
	if life == nil {
		return ""
	}
	id, _ := life.Once(nodeIDKey{}, func() (any, func()) { return "", func() {} }).(string)
	return id
}
