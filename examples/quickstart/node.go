package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/membership/natsstore"
	"github.com/clstr-go/clstr/transport/natstransport"
)

const shards = 64 // that the nodes share out

// timing is the fast one, in which a death is over after 7.9 s at most, for nodes
// that come and go more often than in earnest.
var timing = func() membership.Timing {
	t := membership.FastTiming
	t.Settle, t.Residency = time.Second, time.Second
	return t
}()

// Counter is what lives at a key. Its methods run one at a time, so that it needs
// no lock.
type Counter struct {
	node  string
	db    *load
	count int
}

// Add is the request, by its number, and Added the reply: where the key lives.
type Add struct{ Request int }

type Added struct{ Node string }

func (c *Counter) load(ctx *actor.Context) error {
	c.count = c.db.read(ctx.Key())
	return nil
}

func (c *Counter) Add(ctx *actor.Context, m Add) (Added, error) {
	if err := c.db.write(ctx.Key(), c.count, m.Request); err != nil {
		return Added{}, err
	}
	c.count++
	return Added{c.node}, nil
}

// node is one on connections of its own, as in a process of its own.
type node struct {
	*cluster.Node
	requests *nats.Conn
	store    *natsstore.Store // its lease, and who owns which shard
	stop     context.CancelFunc
	ended    chan error
	killed   bool
	leave    func() error // drains the node: its shards move, what it has accepted comes to its end
}

// start starts a node, which joins the others by itself.
func start(ctx context.Context, url, id string, l *load) (*node, error) {
	store, err := natsstore.Open(ctx, natsstore.Options{URL: url})
	if err != nil {
		return nil, err
	}
	nc, err := nats.Connect(url)
	if err != nil {
		store.Close()
		return nil, err
	}
	tr, err := natstransport.New(natstransport.Options{Conn: nc}) // or URL: we are to cut it
	if err != nil {
		store.Close()
		nc.Close()
		return nil, err
	}
	counter := actor.Define("counter", func(string) *Counter { return &Counter{node: id, db: l} },
		actor.OnActivate((*Counter).load), actor.OnRequest((*Counter).Add))
	n := &node{requests: nc, store: store, ended: make(chan error, 1), Node: cluster.NewNode(cluster.NodeOptions{
		NodeID: id, Transport: tr, NumShards: shards, Membership: store, Timing: timing, Metrics: moves{cluster.NopClusterMetrics(), l},
		Handler: cluster.NewActorHandler(counter.New), StopTimeout: 5 * time.Second,
	})}
	ctx, n.stop = context.WithCancel(context.WithoutCancel(ctx))
	go func() { n.ended <- n.Run(ctx) }() // ends at stop; leave waits
	n.leave = sync.OnceValue(func() error {
		n.stop()
		err := errors.Join(<-n.ended, tr.Close())
		store.Close()
		nc.Close()
		if n.killed {
			return nil // it could not hand over
		}
		return err
	})
	return n, nil
}

// kill cuts the node off without a word, as a crash does. What still runs in it
// nobody hears.
func (n *node) kill() {
	n.killed = true
	n.store.Close() // first: a node that has lost its requests' connection only hands over
	n.requests.Close()
	n.stop()
}

// serves returns when the node serves its part of the shards.
func (n *node) serves() error {
	select {
	case <-n.Ready():
		return nil
	case err := <-n.ended:
		n.ended <- err // for leave
		return fmt.Errorf("%s: %w", n.ID(), err)
	}
}

// moves hears of shards that a node takes over: a node tells its metrics, if they
// have this method.
type moves struct {
	cluster.ClusterMetrics
	l *load
}

// ShardOpened implements cluster.OwnershipMetrics.
func (m moves) ShardOpened(_ string, pause time.Duration) {
	m.l.mu.Lock()
	defer m.l.mu.Unlock()
	m.l.seen.moved++
	m.l.seen.pause = max(m.l.seen.pause, pause)
}
