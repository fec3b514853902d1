package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/membership/memstore"
	"github.com/clstr-go/clstr/transport/memtransport"
)

const livingShards = 32

// livingCluster is nodes with a membership on one in-process transport, and a
// ledger of the lives of their entities.
type livingCluster struct {
	t     *testing.T
	tr    *memtransport.Transport
	store *memstore.Store

	mu    sync.Mutex
	alive map[string]string // by key: the node where it lives
	lives int
	turns atomic.Int64
}

type livingNode struct {
	name  string
	stop  context.CancelFunc
	ended chan error
	*cluster.Node
}

func newLiving(t *testing.T) *livingCluster {
	return &livingCluster{t: t, tr: memtransport.New(memtransport.Options{}), store: memstore.New(), alive: map[string]string{}}
}

func (lc *livingCluster) close() {
	if err := lc.tr.Close(); err != nil {
		lc.t.Error(err)
	}
}

type (
	add   struct{ N int }
	put   struct{ N int }
	total struct{ Total int }
)

// tally is an entity that adds, slowly.
type tally struct {
	lc    *livingCluster
	key   string
	node  string
	total int
}

func (e *tally) begin(*actor.Context) error {
	e.lc.mu.Lock()
	defer e.lc.mu.Unlock()
	if other, ok := e.lc.alive[e.key]; ok {
		e.lc.t.Errorf("key %s lives on %s and on %s", e.key, other, e.node)
	}
	e.lc.alive[e.key] = e.node
	e.lc.lives++
	return nil
}

func (e *tally) end(*actor.Context) error {
	time.Sleep(time.Millisecond)
	e.lc.mu.Lock()
	defer e.lc.mu.Unlock()
	delete(e.lc.alive, e.key)
	return nil
}

func (e *tally) add(_ *actor.Context, m add) (total, error) {
	time.Sleep(2 * time.Millisecond)
	e.total += m.N
	e.lc.turns.Add(1)
	return total{e.total}, nil
}

func (e *tally) note(_ *actor.Context, m put) error {
	time.Sleep(2 * time.Millisecond)
	e.total += m.N
	e.lc.turns.Add(1)
	return nil
}

func (lc *livingCluster) start(name string) *livingNode {
	def := actor.Define("tally", func(key string) *tally { return &tally{lc: lc, key: key, node: name} },
		actor.OnRequest((*tally).add), actor.OnNotify((*tally).note),
		actor.OnActivate((*tally).begin), actor.OnPassivate((*tally).end))
	return lc.startWith(cluster.NodeOptions{NodeID: name, Handler: cluster.NewActorHandler(def.New)})
}

// startWith starts a node with options of its own.
func (lc *livingCluster) startWith(opts cluster.NodeOptions) *livingNode {
	opts.Transport, opts.Membership, opts.NumShards = lc.tr, lc.store, livingShards
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	node := cluster.NewNode(opts)
	ctx, cancel := context.WithCancel(context.Background())
	n := &livingNode{name: opts.NodeID, stop: cancel, ended: make(chan error, 1), Node: node}
	go func() { n.ended <- node.Run(ctx) }() // end waits
	return n
}

func (lc *livingCluster) end(nodes ...*livingNode) {
	lc.t.Helper()
	for _, n := range nodes {
		n.stop()
	}
	for _, n := range nodes {
		if err := <-n.ended; err != nil {
			lc.t.Errorf("%s: %v", n.name, err)
		}
	}
}

func (lc *livingCluster) client() *cluster.Client {
	c, err := cluster.NewClient(cluster.ClientOptions{Transport: lc.tr, NumShards: livingShards})
	if err != nil {
		lc.t.Fatal(err)
	}
	return c
}

// TestPlannedMovesFailNothing: nodes join and leave under load, and callers see
// pauses. What was acknowledged has run once, on the one actor of its key.
func TestPlannedMovesFailNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lc := newLiving(t)
		defer lc.close()
		nodes := []*livingNode{lc.start("a"), lc.start("b")}
		<-nodes[0].Ready()
		stop := lc.load(t, 16)
		for round := range 3 {
			time.Sleep(20 * time.Second)
			c := lc.start(fmt.Sprint("c", round))
			<-c.Ready()
			time.Sleep(20 * time.Second)
			lc.end(nodes[0])
			nodes = append(nodes[1:], c)
		}
		stop()
		lc.end(nodes...)
		if len(lc.alive) != 0 {
			t.Errorf("%d keys live on after all nodes have ended", len(lc.alive))
		}
		t.Logf("%d lives of 100 keys", lc.lives)
	})
}

// TestLivingNodeTellsItsShards: what a node says of itself is what it serves.
func TestLivingNodeTellsItsShards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lc := newLiving(t)
		defer lc.close()
		a := lc.start("a")
		<-a.Ready()
		b := lc.start("b")
		<-b.Ready()
		time.Sleep(20 * time.Second)
		seen := map[string]int{}
		for shard := range uint32(livingShards) {
			info, err := lc.client().Shard(shard).GetNodeInfo(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			seen[info.NodeID]++
			if seen[info.NodeID] == 1 {
				want := cluster.ShardsForNode(info.NodeID, []string{"a", "b"}, livingShards, "")
				if fmt.Sprint(info.Shards) != fmt.Sprint(want) {
					t.Errorf("%s serves %v, want %v", info.NodeID, info.Shards, want)
				}
			}
		}
		if len(seen) != 2 {
			t.Errorf("who answers: %v", seen)
		}
		lc.end(a, b)
	})
}

// TestShardWithoutAnOwner: in a cluster whose owners come and go a call waits for
// the next one, to its deadline, and then says that nothing ran.
func TestShardWithoutAnOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lc := newLiving(t)
		defer lc.close()
		a := lc.start("a")
		<-a.Ready()
		lc.end(a)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := cluster.NewRequest[add, total](lc.client().Key("k")).Request(ctx, add{1})
		if !errors.Is(err, cluster.ErrNotOwner) || cluster.OutcomeOf(err) != cluster.NotStarted {
			t.Errorf("got %v (%v), want ErrNotOwner, NotStarted", err, cluster.OutcomeOf(err))
		}
		began := time.Now()
		b := lc.start("b")
		if _, err := cluster.NewRequest[add, total](lc.client().Key("k")).Request(t.Context(), add{1}); err != nil || time.Since(began) > time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		lc.end(b)
	})
}

func TestOptionsOfLivingNodes(t *testing.T) {
	tr, store := memtransport.New(memtransport.Options{}), memstore.New()
	defer tr.Close()
	handler := func(context.Context, cluster.Envelope) ([]byte, error) { return nil, nil }
	for want, opts := range map[string]cluster.NodeOptions{
		"Seed \"s\" without NumShards":                                                    {Transport: tr, Membership: store, Seed: "s"},
		"Shards and Membership exclude each other":                                        {Transport: tr, Membership: store, NumShards: 8, Shards: []uint32{1}},
		"Membership needs a memtransport, a natstransport or a transport that embeds one": {Transport: struct{ cluster.ServerTransport }{tr}, Membership: store, NumShards: 8},
		"Timing, Weight, Zone, Version and DrainTimeout are for nodes":                    {Transport: tr, Weight: 2},
		"Weight -1":    {Transport: tr, Membership: store, NumShards: 8, Weight: -1},
		"Timing.Lease": {Transport: tr, Membership: store, NumShards: 8, Timing: membership.Timing{Lease: time.Millisecond}},
		"DrainTimeout": {Transport: tr, DrainTimeout: -1},
	} {
		opts.Handler, opts.NodeID = handler, "a"
		if err := cluster.NewNode(opts).Run(t.Context()); !errors.Is(err, cluster.ErrBadOption) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}
