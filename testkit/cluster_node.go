// Nodes that start, stop and die

package testkit

import (
	"context"
	"slices"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/membership"
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
	transport.EpochTransport
	transport.Dispatched
	// cut takes the node off the network without a word. When it returns, new
	// requests find nobody.
	cut()
}

// member is one run of a node.
type member struct {
	id       string
	endpoint endpoint
	link     *link // to the store of members, in a live cluster
	cancel   context.CancelFunc
	killed   bool
	wasCut   bool // from the store of members, or paused
	still    *stillness
	ended    chan struct{} // closed when it and its transport have ended, or it could not
	err      error         // set before ended is closed
}

// StopNode drains a node, as a planned end does: what it has accepted comes to
// its end, and its keys passivate. It returns when the node's Run has returned;
// an error of it fails the test. A node that does not run is left alone.
func (c *Cluster) StopNode(id string) {
	c.t.Helper()
	if m := c.take(id); m != nil {
		m.cancel()
		c.await(m)
	}
}

// KillNode takes a node off the network at once, as its crash does: over NATS by
// closing its connection, in memory by forgetting its shards. New requests to
// its shards find nobody when it returns. Who waits for an answer gets none, and
// waits to its deadline: cluster.MaybeRan.
//
// A goroutine cannot be killed. So handlers that run go on, and then the node
// ends by itself, stop hooks included, like one that has lost its network; the
// test's end waits for it. Started again, the ID may for a while have two nodes
// that run, as after a crash that was none. A node that does not run is left
// alone.
func (c *Cluster) KillNode(id string) {
	c.t.Helper()
	if m := c.take(id); m != nil {
		c.mu.Lock()
		m.killed = true
		c.gone = append(c.gone, m)
		c.mu.Unlock()
		if m.link != nil {
			m.link.cut.Store(true)
		}
		m.endpoint.cut()
		m.cancel()
	}
}

// StartNode starts a node that was stopped or killed, with the shards that it
// had, and returns when it serves them. A live cluster takes a new ID too: the
// node joins, and StartNode returns when it serves all that it should. A node that
// runs is left alone.
func (c *Cluster) StartNode(id string) {
	c.t.Helper()
	if c.opts.Live && !slices.Contains(c.ids, id) {
		c.ids = append(c.ids, id)
	}
	c.mustKnow(id)
	if !c.Running(id) {
		c.start(id)
	}
}

// Running reports whether a node was started and neither stopped nor killed
// since.
func (c *Cluster) Running(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nodes[id] != nil
}

func (c *Cluster) mustKnow(id string) {
	c.t.Helper()
	if !slices.Contains(c.ids, id) {
		c.t.Fatalf("testkit: no node %q; the nodes are %v", id, c.ids)
	}
}

func (c *Cluster) take(id string) *member {
	c.t.Helper()
	c.mustKnow(id)
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.nodes[id]
	delete(c.nodes, id)
	if c.opts.Live {
		c.owners.Leave(id)
	}
	return m
}

// start starts nodes side by side and waits until they are ready.
func (c *Cluster) start(ids ...string) {
	c.t.Helper()
	ready := make([]<-chan struct{}, 0, len(ids))
	members := make([]*member, 0, len(ids))
	for _, id := range ids {
		ep, err := c.net.join(id)
		if err != nil {
			c.t.Fatalf("testkit: node %s: %v", id, err)
			return
		}
		opts := cluster.NodeOptions{
			Log:         c.opts.Log,
			NodeID:      id,
			Transport:   &nodeSide{ep, id, nil},
			Handler:     c.opts.Handler,
			Kinds:       c.opts.Kinds,
			Metrics:     c.opts.Metrics,
			NumShards:   c.layout.NumShards,
			Seed:        c.layout.Seed,
			StopTimeout: c.opts.StopTimeout,
		}
		ctx, cancel := context.WithCancel(context.Background())
		m := &member{id: id, endpoint: ep, still: new(stillness), cancel: cancel, ended: make(chan struct{})}
		if c.opts.Live {
			store, closeStore, err := c.net.members()
			if err != nil {
				c.t.Fatalf("testkit: node %s: %v", id, err)
				return
			}
			m.link = &link{Store: store, close: closeStore, still: m.still}
			opts.Transport = &nodeSide{ep, id, m.still}
			opts.Membership, opts.Timing = m.link, c.opts.Timing
			opts.Metrics = c.history.watch(c.opts.Metrics, m)
		} else {
			opts.Shards = c.Shards(id)
		}
		node := cluster.NewNode(opts)
		c.mu.Lock()
		c.nodes[id] = m
		c.owners.Join(id)
		c.mu.Unlock()
		go m.run(ctx, node) // ends at cancel; await waits
		members, ready = append(members, m), append(ready, node.Ready())
	}
	for i, m := range members {
		select {
		case <-ready[i]:
		case <-m.ended:
			c.take(m.id)
			c.t.Fatalf("testkit: node %s: %v", m.id, m.err)
		}
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

// await waits for a node's end. That of one that was cut off cannot be clean.
func (c *Cluster) await(m *member) {
	c.t.Helper()
	<-m.ended
	if m.err != nil && !m.killed {
		c.t.Errorf("testkit: node %s: %v", m.id, m.err)
	}
}

// nodeSide leaves the node's ID where a [Recorder] finds it.
type nodeSide struct {
	endpoint
	id    string
	still *stillness // of a node in a live cluster
}

type nodeIDKey struct{}

// Subscribe implements transport.ReceiverTransport.
func (n *nodeSide) Subscribe(ctx context.Context, shard uint32, r transport.Receiver) (transport.Subscription, error) {
	n.leaveID(ctx)
	return n.endpoint.Subscribe(ctx, shard, r)
}

func (n *nodeSide) leaveID(ctx context.Context) {
	if life := transport.LifetimeFrom(ctx); life != nil {
		life.Once(nodeIDKey{}, func() (any, func()) { return n.id, func() {} })
	}
}

// nodeIDFrom returns the ID of the testkit node whose handler was given ctx.
func nodeIDFrom(ctx context.Context) string {
	life := transport.LifetimeFrom(ctx)
	if life == nil {
		return ""
	}
	id, _ := life.Once(nodeIDKey{}, func() (any, func()) { return "", func() {} }).(string)
	return id
}
