// ClusterOptions, and the kinds of transports

package testkit

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/memstate"
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

// EachTransport runs a subtest on each kind of transport, one after the other. What
// holds in memory must hold over NATS too.
func EachTransport(t *testing.T, f func(t *testing.T, kind TransportKind)) {
	t.Helper()
	for _, k := range []TransportKind{Memory, NATS} {
		t.Run(k.String(), func(t *testing.T) { f(t, k) })
	}
}

// ClusterOptions configures [NewCluster]. Handler or Kinds is required.
type ClusterOptions struct {
	// Nodes is the number of nodes. Their IDs are node-0, node-1 and so on. 0 = 3.
	Nodes int
	// NumShards is the number of shards, which the nodes share. 0 = 64.
	NumShards uint32
	// Seed is the hash seed of nodes and clients.
	Seed string
	// Handler and Kinds are as in [cluster.NodeOptions], the same on every node.
	Handler cluster.ServerHandlerFunc
	Kinds   map[string]cluster.ServerHandlerFunc
	// Around is as in [cluster.NodeOptions].
	Around cluster.Around
	// Live gives the nodes a membership: shards move as nodes join, leave and die.
	// Timing says how fast; zero = [LiveTiming].
	Live   bool
	Timing membership.Timing
	// State keeps what durable entities have stored, for all nodes and clients: a node that comes back,
	// or takes over, finds it there. nil = a store in memory, of the cluster's own. For one that
	// goes wrong use [StateFaults].
	State state.Store
	// Transport connects nodes and clients. Zero = Memory.
	Transport TransportKind
	// Limits bound what each node accepts, as in its transport's options.
	Limits transport.Limits
	// LenientReplies lets clients accept a reply with a field that their type does not
	// have, as in production. By default such a reply is an error
	// ([cluster.ClientOptions].StrictReplies).
	LenientReplies bool
	// Metrics instruments the nodes and [Cluster.Client]; it may be nil.
	Metrics cluster.ClusterMetrics
	// Log gets what nodes and transports log. nil = the test's log, from
	// warnings on.
	Log *slog.Logger
	// StopTimeout bounds the wait for stop hooks and for the hand-over of shards when a
	// node ends. 0 = 30 s, or 5 s in a live cluster.
	StopTimeout time.Duration
	// Wrap wraps the transport that all clients share, for example with
	// [Faults.Client]. It may be nil. The cluster closes the result, which must close
	// the transport that Wrap was given.
	Wrap func(transport.ClientTransport) transport.ClientTransport

	asks *cluster.Client // what clstr.From finds; nil is the cluster's client

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
	if o.State == nil {
		o.State = memstate.New()
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
