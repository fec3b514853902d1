// NewCluster, and the nodes and keys of any cluster

package testkit

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/sharding"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/transport"
)

// Cluster is nodes and clients in one process. Make one with [NewCluster]. Call the
// methods that start or stop nodes from the test's goroutine, one at a time. The other
// methods are safe for concurrent use.
type Cluster struct {
	t       testing.TB
	opts    ClusterOptions
	layout  sharding.Layout
	nodes   *fleet
	history *history
	store   membership.Store // of a live cluster's members
	unlink  func()           // ends store
	net     network
	tr      transport.ClientTransport // of all clients
	client  *cluster.Client
}

// NewCluster starts a cluster and returns when every shard has an owner. The cluster
// ends with the test: its nodes drain, and an error at a node's end fails the test. So
// do options that cannot work.
func NewCluster(t testing.TB, opts ClusterOptions) *Cluster {
	t.Helper()
	opts = opts.withDefaults(t)
	if err := opts.validate(); err != nil {
		t.Fatalf("testkit.NewCluster: %v", err)
		return nil
	}
	c := &Cluster{t: t, opts: opts, history: &history{open: map[lifeKey]*Life{}}}
	c.layout = sharding.Layout{NumShards: opts.NumShards, Seed: opts.Seed}
	var err error
	if c.nodes, err = newFleet(t, opts, c.history); err == nil {
		c.net, err = newNetwork(t, opts)
		c.nodes.net = c.net
	}
	if err == nil && opts.Live {
		c.store, c.unlink, err = c.net.members()
	}
	if err != nil {
		t.Fatalf("testkit.NewCluster: %v", err)
		return nil
	}
	c.tr = c.net.client()
	if opts.Wrap != nil {
		c.tr = opts.Wrap(c.tr)
	}
	t.Cleanup(c.end)
	c.client = c.NewClient(cluster.ClientOptions{Metrics: opts.Metrics})
	c.nodes.base = clstr.WithClient(context.Background(), cmp.Or(opts.asks, c.client))
	c.nodes.start(c.nodes.ids...)
	return c
}

// Client returns a client with the cluster's layout and metrics.
func (c *Cluster) Client() *cluster.Client { return c.client }

// NewClient makes another client. Where opts leaves out Transport, NumShards or Seed,
// the client gets the cluster's, and its store of state. It decodes replies strictly unless
// [ClusterOptions].LenientReplies is set.
func (c *Cluster) NewClient(opts cluster.ClientOptions) *cluster.Client {
	c.t.Helper()
	if opts.Transport == nil {
		opts.Transport = c.tr
	}
	if opts.NumShards == 0 {
		opts.NumShards = c.layout.NumShards
	}
	if opts.Seed == "" {
		opts.Seed = c.layout.Seed
	}
	if opts.State == nil {
		opts.State = c.opts.State
	}
	opts.StrictReplies = opts.StrictReplies || !c.opts.LenientReplies
	client, err := cluster.NewClient(opts)
	if err != nil {
		c.t.Fatalf("testkit: NewClient: %v", err)
	}
	return client
}

// Stored returns what a durable entity has stored, or nil if that is nothing.
func (c *Cluster) Stored(kind, key string) *state.Record {
	c.t.Helper()
	es, _, err := c.opts.State.Read(context.Background(), state.Token{}, state.Range{Shard: c.Shard(key), Kind: kind, Key: key})
	if err == nil && len(es) > 0 {
		err = es[0].Err
	}
	switch {
	case err != nil:
		c.t.Fatalf("testkit: Stored: %v", err)
		return nil
	case len(es) == 0 || es[0].Record.Deleted:
		return nil
	}
	return es[0].Record
}

// Nodes returns the IDs of all nodes, including those that do not run.
func (c *Cluster) Nodes() []string { return slices.Clone(c.nodes.ids) }

// Shard returns the shard of a key.
func (c *Cluster) Shard(key string) uint32 { return c.layout.Shard(key) }

// Shards returns the shards of a node, in ascending order. With a fixed list a node
// keeps its shards while it does not run. In a live cluster these are the shards that
// the node should have among the nodes that run.
func (c *Cluster) Shards(id string) []uint32 {
	return c.nodes.shards(id)
}

// Owner returns the ID of the node that owns a key's shard, whether the node runs or
// not. In a live cluster it is the node that should own the shard.
func (c *Cluster) Owner(key string) string {
	id, _ := c.nodes.owner(c.Shard(key))
	return id
}

// KeyOf returns a key that the node owns: the first of key-0, key-1 and so on. It fails
// the test if the node owns none of the first million.
func (c *Cluster) KeyOf(id string) string {
	c.t.Helper()
	for i := range 1_000_000 {
		if key := fmt.Sprintf("key-%d", i); c.Owner(key) == id {
			return key
		}
	}
	c.t.Fatalf("testkit: KeyOf(%q): no key; the nodes are %v", id, c.nodes.ids)
	return ""
}

// StopNode drains a node, as a planned stop does: calls that it has accepted finish,
// and its keys passivate. StopNode returns when the node's Run has returned. An error
// of Run fails the test. If the node does not run, StopNode does nothing.
func (c *Cluster) StopNode(id string) {
	c.t.Helper()
	c.nodes.stop(id)
}

// KillNode takes a node off the network at once, as a crash does: over NATS it closes
// the node's connection, and in memory it forgets the node's shards. When KillNode
// returns, new requests to those shards find no subscriber. Callers that wait for an
// answer get none. They wait until their deadlines, and get cluster.MaybeRan.
//
// A goroutine cannot be killed. So handlers that run go on, and then the node ends by
// itself with its stop hooks, like a node that has lost its network. The test waits for
// it at its end. It stores no state any more: what was on its way to the store is there or not, as
// after a crash. If you start the ID again, two nodes may run under it for a while, as
// after a false alarm in production. If the node does not run, KillNode does nothing.
func (c *Cluster) KillNode(id string) {
	c.t.Helper()
	c.nodes.kill(id)
}

// StartNode starts a node that was stopped or killed, with the shards that it had, and
// returns when the node serves them. In a live cluster the ID may be new: the node
// joins, and StartNode returns when it serves all that it should. If the node runs,
// StartNode does nothing.
func (c *Cluster) StartNode(id string) {
	c.t.Helper()
	if c.opts.Live && !slices.Contains(c.nodes.ids, id) {
		c.nodes.ids = append(c.nodes.ids, id)
	}
	c.nodes.mustKnow(id)
	if !c.Running(id) {
		c.nodes.start(id)
	}
}

// Running reports whether a node was started, and was neither stopped nor killed since.
func (c *Cluster) Running(id string) bool {
	return c.nodes.running(id) != nil
}

// end ends the nodes side by side, then the network.
func (c *Cluster) end() {
	c.nodes.end()
	if err := c.tr.Close(); err != nil {
		c.t.Errorf("testkit: closing the clients' transport: %v", err)
	}
	if c.opts.Live {
		c.unlink()
		c.history.check(c.t)
	}
	c.net.close()
}
