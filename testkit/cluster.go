// NewCluster and its options

package testkit

import (
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/sharding"
	"github.com/clstr-go/clstr/transport"
)

// TransportKind is what connects the nodes and clients of a [Cluster].
type TransportKind uint8

const (
	// Memory connects them in this process. It works inside a testing/synctest
	// bubble too.
	Memory TransportKind = iota
	// NATS connects each with a connection of its own to a NATS server.
	NATS
)

// String returns the kind's name, "memory" or "nats".
func (k TransportKind) String() string {
	switch k {
	case Memory:
		return "memory"
	case NATS:
		return "nats"
	}
	return fmt.Sprintf("TransportKind(%d)", uint8(k))
}

// EachTransport runs a subtest on every kind of transport, one after the other:
// what holds in memory must hold over NATS.
func EachTransport(t *testing.T, f func(t *testing.T, kind TransportKind)) {
	t.Helper()
	for _, k := range []TransportKind{Memory, NATS} {
		t.Run(k.String(), func(t *testing.T) { f(t, k) })
	}
}

// ClusterOptions configures [NewCluster]. Handler or Kinds is required.
type ClusterOptions struct {
	// Nodes is how many there are, with the IDs node-0, node-1 and so on.
	// 0 = 3.
	Nodes int
	// NumShards is the number of shards, distributed among the nodes.
	// 0 = 64.
	NumShards uint32
	// Seed is the hash seed of nodes and clients.
	Seed string
	// Handler and Kinds are as in [cluster.NodeOptions], the same on every node.
	Handler cluster.ServerHandlerFunc
	Kinds   map[string]cluster.ServerHandlerFunc
	// Live makes the shards live: the nodes have a membership, and shards go to
	// others as nodes join, leave and die. Timing says how fast; zero =
	// [LiveTiming].
	Live   bool
	Timing membership.Timing
	// Transport connects nodes and clients. Zero = Memory.
	Transport TransportKind
	// Limits bound what each node takes on, as in its transport's options.
	Limits transport.Limits
	// LenientReplies lets clients accept a reply with a field that their type does not
	// have, as they do in production. By default that is an error
	// ([cluster.ClientOptions].StrictReplies).
	LenientReplies bool
	// Metrics instruments the nodes and [Cluster.Client]; it may be nil.
	Metrics cluster.ClusterMetrics
	// Log gets what nodes and transports log. nil = the test's log, from
	// warnings on.
	Log *slog.Logger
	// StopTimeout bounds the wait for stop hooks at a node's end, and for the
	// hand-over of its shards. 0 = 30 s, 5 s in a live cluster.
	StopTimeout time.Duration
	// Wrap is put around the transport that all clients share, for example
	// [Faults.Client]; it may be nil. The cluster closes what it returns, and
	// that must close what it was given.
	Wrap func(transport.ClientTransport) transport.ClientTransport

	// NATSURL is the server for NATS. Empty = a server of the cluster's own.
	NATSURL string
	// NATSOptions are added to each connection: credentials, TLS.
	NATSOptions []nats.Option
	// Prefix separates clusters on one server. Empty = a random one.
	Prefix string
}

func (o ClusterOptions) withDefaults(t testing.TB) ClusterOptions {
	if o.Nodes == 0 {
		o.Nodes = 3
	}
	if o.NumShards == 0 {
		o.NumShards = 64
	}
	if o.Log == nil {
		o.Log = Logger(t, slog.LevelWarn)
	}
	if o.Live && o.Timing == (membership.Timing{}) {
		o.Timing = LiveTiming
	}
	if o.Live && o.StopTimeout == 0 {
		o.StopTimeout = 5 * time.Second // a node that was killed cannot hand over
	}
	return o
}

func (o ClusterOptions) validate() error {
	switch {
	case o.Nodes < 1:
		return fmt.Errorf("Nodes %d: 0 (default, 3) or more", o.Nodes)
	case o.Transport > NATS:
		return fmt.Errorf("Transport %v: Memory or NATS", o.Transport)
	case o.Transport != NATS && (o.NATSURL != "" || o.NATSOptions != nil || o.Prefix != ""):
		return fmt.Errorf("NATSURL, NATSOptions and Prefix are for Transport NATS, not %v", o.Transport)
	}
	return o.Limits.Validate()
}

// Cluster is nodes and clients in one process. Make one with [NewCluster].
// Methods that start or stop nodes are called from the test's goroutine, one at
// a time; the others are safe for concurrent use.
type Cluster struct {
	t       testing.TB
	opts    ClusterOptions
	layout  sharding.Layout
	ids     []string
	owners  *sharding.Assignment // never changes, but in a live cluster, under mu
	store   membership.Store     // of a live cluster's members
	unlink  func()               // ends store
	net     network
	tr      transport.ClientTransport // of all clients
	history history
	client  *cluster.Client

	mu    sync.Mutex
	nodes map[string]*member // the last of each ID
	gone  []*member          // killed; waited for at the end
}

// NewCluster starts a cluster and returns when every shard has its owner. It
// ends with the test: the nodes drain, and an error of theirs at the end is the
// test's. Options that cannot work fail the test.
func NewCluster(t testing.TB, opts ClusterOptions) *Cluster {
	t.Helper()
	opts = opts.withDefaults(t)
	if err := opts.validate(); err != nil {
		t.Fatalf("testkit.NewCluster: %v", err)
		return nil
	}
	c := &Cluster{t: t, opts: opts, nodes: map[string]*member{}, history: history{open: map[lifeKey]*Life{}}}
	c.layout = sharding.Layout{NumShards: opts.NumShards, Seed: opts.Seed}
	for i := range opts.Nodes {
		c.ids = append(c.ids, fmt.Sprintf("node-%d", i))
	}
	var err error
	given := c.ids
	if opts.Live {
		given = nil // who runs
	}
	if c.owners, err = sharding.NewAssignment(c.layout, given); err == nil {
		c.net, err = newNetwork(t, opts)
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
	c.start(c.ids...)
	c.client = c.NewClient(cluster.ClientOptions{Metrics: opts.Metrics})
	return c
}

// Client returns a client with the cluster's layout and metrics.
func (c *Cluster) Client() *cluster.Client { return c.client }

// NewClient makes another client. Transport, NumShards and Seed are the
// cluster's where opts leaves them out; its replies are decoded strictly unless
// [ClusterOptions].LenientReplies says otherwise.
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
	opts.StrictReplies = opts.StrictReplies || !c.opts.LenientReplies
	client, err := cluster.NewClient(opts)
	if err != nil {
		c.t.Fatalf("testkit: NewClient: %v", err)
	}
	return client
}

// Nodes returns the IDs of all nodes, those that do not run included.
func (c *Cluster) Nodes() []string { return slices.Clone(c.ids) }

// Shard returns the shard of a key.
func (c *Cluster) Shard(key string) uint32 { return c.layout.Shard(key) }

// Shards returns the shards of a node, in ascending order; they stay its own
// while it does not run. In a live cluster they are those that it should have
// among the nodes that run.
func (c *Cluster) Shards(id string) []uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.owners.Shards(id)
}

// Owner returns the ID of the node that owns a key's shard, whether it runs or
// not; in a live cluster of the one that should.
func (c *Cluster) Owner(key string) string {
	id, _ := c.target(c.Shard(key))
	return id
}

// KeyOf returns a key that the node owns: the first of key-0, key-1 and so on.
// It fails the test for a node that owns none of a million.
func (c *Cluster) KeyOf(id string) string {
	c.t.Helper()
	for i := range 1_000_000 {
		if key := fmt.Sprintf("key-%d", i); c.Owner(key) == id {
			return key
		}
	}
	c.t.Fatalf("testkit: KeyOf(%q): no key; the nodes are %v", id, c.ids)
	return ""
}

// end ends nodes side by side, then the network.
func (c *Cluster) end() {
	c.mu.Lock()
	all := slices.Clone(c.gone)
	for _, m := range c.nodes {
		all = append(all, m)
	}
	c.mu.Unlock()
	for _, m := range all {
		m.cancel()
	}
	for _, m := range all {
		c.await(m)
	}
	if err := c.tr.Close(); err != nil {
		c.t.Errorf("testkit: closing the clients' transport: %v", err)
	}
	if c.opts.Live {
		c.unlink()
		c.checkLives()
	}
	c.net.close()
}
