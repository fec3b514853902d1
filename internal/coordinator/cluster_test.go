package coordinator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clstr-go/clstr/internal/ownership"
	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/internal/standing"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/membership/memstore"
	"github.com/clstr-go/clstr/sharding"
)

const shards = 32

// cluster is nodes around one store, and which of them serves which shard.
type cluster struct {
	t      *testing.T
	store  *memstore.Store
	timing membership.Timing
	lost   *losable // in its place, for stores that can be lost

	othersOwn   bool   // nodes of an earlier store, as new ones hear
	otherServes string // one of another store, as new ones find

	mu      sync.Mutex
	serving map[uint32]*standing.Standing
	used    map[[2]uint64]*member // by shard and epoch

	opened, settled atomic.Int64
}

// member is a node that only notes what it is told.
type member struct {
	cl      *cluster
	name    string
	cut     atomic.Bool // it does not reach the store
	deaf    atomic.Bool // requests do not reach it
	mute    atomic.Bool // it cannot subscribe
	blind   atomic.Bool // it cannot watch the store
	watches atomic.Bool // it does
	lapses  atomic.Int64
	store   membership.Store
	stop    context.CancelFunc
	ended   chan error
	layout  sharding.Layout
	kinds   []string
	hears   *member  // answers for the owners that it knows of
	routes  []uint64 // the epochs of shards that it knows of
	log     *slog.Logger
	c       *Coordinator
}

// reach is the store as a member sees it.
type reach struct {
	membership.Store
	m *member
}

var errCut = errors.New("cut off")

func (r reach) Write(ctx context.Context, key string, rev uint64, value []byte) (uint64, error) {
	if r.m.cut.Load() {
		return 0, errCut
	}
	return r.Store.Write(ctx, key, rev, value)
}

func (r reach) Read(ctx context.Context, key string) (membership.Entry, error) {
	if r.m.cut.Load() {
		return membership.Entry{}, errCut
	}
	return r.Store.Read(ctx, key)
}

func (r reach) Snapshot(ctx context.Context, prefix string) ([]membership.Entry, uint64, error) {
	if r.m.cut.Load() {
		return nil, 0, errCut
	}
	return r.Store.Snapshot(ctx, prefix)
}

func (r reach) Watch(f func(membership.Entry)) (func(), error) {
	if r.m.blind.Load() {
		return nil, errCut
	}
	r.m.watches.Store(true)
	return r.Store.Watch(func(e membership.Entry) {
		if !r.m.cut.Load() {
			f(e)
		}
	})
}

func newCluster(t *testing.T) *cluster {
	return &cluster{t: t, store: memstore.New(), serving: map[uint32]*standing.Standing{}, used: map[[2]uint64]*member{}}
}

func (cl *cluster) start(name string) *member {
	return cl.startWith(name, sharding.Layout{NumShards: shards})
}

func (cl *cluster) startWith(name string, layout sharding.Layout) *member {
	m := cl.member(name)
	m.layout = layout
	cl.run(m, m, 0)
	return m
}

// member is a node that has not begun.
func (cl *cluster) member(name string) *member {
	m := &member{cl: cl, name: name, ended: make(chan error, 1), layout: sharding.Layout{NumShards: shards}}
	m.store = cl.storeOf(m)
	return m
}

// run begins a member, as the node n.
func (cl *cluster) run(m *member, n Node, linger time.Duration) {
	hearer, _ := n.(Hearer)
	reacher, _ := n.(Reacher)
	c, err := New(Options{
		Self:  ownership.Self{Ref: record.Ref{Name: m.name}, Layout: m.layout, Kinds: m.kinds, Timing: cl.timing},
		Store: m.store, Node: n, Hearer: hearer, Reacher: reacher, Log: cmp.Or(m.log, slog.New(slog.DiscardHandler)),
		DrainTimeout: 10 * time.Second, StopTimeout: 30 * time.Second, Linger: linger,
	})
	if err != nil {
		cl.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	m.stop, m.c = cancel, c
	go func() { m.ended <- c.Run(ctx) }() // the test waits for it
}

// Open implements Node.
func (m *member) Open(_ context.Context, g *standing.Standing) (Shard, error) {
	if m.mute.Load() {
		return nil, errCut
	}
	m.cl.mu.Lock()
	defer m.cl.mu.Unlock()
	if old := m.cl.serving[g.Shard]; old != nil && serves(old) {
		m.cl.t.Errorf("%s opens shard %d in epoch %d while epoch %d is served", m.name, g.Shard, g.Epoch, old.Epoch)
	}
	m.cl.serving[g.Shard] = g
	at := [2]uint64{uint64(g.Shard), g.Epoch}
	if by := m.cl.used[at]; by != nil {
		m.cl.t.Errorf("%s opens shard %d in epoch %d, which %s had", m.name, g.Shard, g.Epoch, by.name)
	}
	m.cl.used[at] = m
	return served{m, g}, nil
}

func (m *member) Opened(string, time.Duration) {
	m.cl.opened.Add(1)
}

func (m *member) Route(shard uint32, rec record.Shard) {
	m.cl.mu.Lock()
	defer m.cl.mu.Unlock()
	m.routes = append(m.routes, make([]uint64, shards-len(m.routes))...)
	m.routes[shard] = rec.Epoch
}

func (m *member) Admits(context.Context, string, sharding.Layout) error { return nil }

func (m *member) Left()           {}
func (m *member) Reachable() bool { return !m.deaf.Load() }
func (m *member) Begins()         {}
func (m *member) Final([]uint32)  {}

func (m *member) NotServed(uint32) {}

func (m *member) Settled() {
	m.cl.settled.Add(1)
}

// serves reports whether a shard is served now.
func serves(g *standing.Standing) bool { return g.Phase() == standing.Serving && !g.Elsewhere() }

// owners returns how many shards each node serves now.
func (cl *cluster) owners() map[string]int {
	entries, _, _ := cl.storeOf(&member{cl: cl}).Snapshot(context.Background(), record.ShardPrefix)
	cl.mu.Lock()
	defer cl.mu.Unlock()
	owners := map[string]int{}
	for _, e := range entries {
		rec, err := record.DecodeShard(e)
		shard, _ := record.ParseShardKey(e.Key)
		if g := cl.serving[shard]; err == nil && g != nil && g.Epoch == rec.Epoch && serves(g) {
			owners[rec.Owner.Name]++
		}
	}
	return owners
}

func (cl *cluster) wantOwners(names ...string) {
	cl.t.Helper()
	owners, want := cl.owners(), map[string]int{}
	for _, n := range names {
		want[n] = len(sharding.ShardsForNode(n, names, shards, ""))
	}
	if fmt.Sprint(owners) != fmt.Sprint(want) {
		cl.t.Errorf("served: %v, want %v", owners, want)
	}
}

func (m *member) wantEnd(want error) {
	m.cl.t.Helper()
	select {
	case err := <-m.ended:
		if !errors.Is(err, want) {
			m.cl.t.Errorf("%s ended with %v, want %v", m.name, err, want)
		}
	case <-time.After(time.Hour): // virtual
		m.cl.t.Errorf("%s has not ended in an hour, want %v", m.name, want)
		m.stop()
		<-m.ended
	}
}

// end is a planned end of nodes, at one moment.
func end(members ...*member) {
	for _, m := range members {
		m.stop()
	}
	for _, m := range members {
		m.wantEnd(nil)
	}
}
