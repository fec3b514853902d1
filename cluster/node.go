package cluster

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/handlers"
	"github.com/clstr-go/clstr/sharding"
	"github.com/clstr-go/clstr/transport"
)

// NodeOptions configures node creation.
type NodeOptions struct {
	// Log is the logger for node operations. Defaults to slog.Default().
	Log *slog.Logger
	// NodeID is the unique identifier for this node. Auto-generated if empty.
	NodeID string
	// Transport is the server transport for receiving messages (required).
	Transport ServerTransport
	// Shards is the list of shard IDs this node owns. Use [ShardsForNode] to
	// compute this based on cluster membership. A node without any serves nothing,
	// and says so in a warning: its NodeID may not be among those that the shards
	// were assigned to.
	Shards []uint32
	// Handler processes incoming messages for owned shards. Required, unless
	// there are Kinds.
	Handler ServerHandlerFunc
	// Kinds are the handlers of messages to a kind ([Client.Kind]), by its name.
	Kinds map[string]ServerHandlerFunc
	// Metrics for node instrumentation. If nil, nothing is measured. If it
	// implements [EntityMetrics], it is told of keys too, and if it implements
	// [NotificationMetrics], of notifications that fail.
	Metrics ClusterMetrics

	// NumShards and Seed are the cluster's, as in [ClientOptions]. A node that
	// knows them refuses callers that hash differently ([ErrLayoutMismatch]).
	// One that does not (NumShards 0) takes them from the first message by key,
	// and refuses what differs from that. Seed alone is refused: nothing could be
	// checked by it.
	NumShards uint32
	Seed      string
	// StopTimeout bounds the wait for stop hooks at the end. 0 = 30 s.
	StopTimeout time.Duration
	// MaxInFlight is how many messages, of all shards together, the node may have
	// accepted and not finished; more are refused with [ErrOverloaded] at once. One
	// whose handler waits for a request of its own, made with its context, does not
	// count. 0 = default (65,536), -1 = unlimited.
	MaxInFlight int
}

// DefaultMaxInFlight is the default of [NodeOptions].MaxInFlight.
const DefaultMaxInFlight = 64 << 10

func (o NodeOptions) withDefaults() NodeOptions {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.NodeID == "" {
		o.NodeID = newNodeID()
	}
	if o.MaxInFlight == 0 {
		o.MaxInFlight = DefaultMaxInFlight
	}
	return o
}

func (o NodeOptions) validate() error {
	switch {
	case o.Transport == nil:
		return transport.Errorf(ErrBadOption, "node %s: Transport is required", o.NodeID)
	case o.Handler == nil && len(o.Kinds) == 0:
		return transport.Errorf(ErrBadOption, "node %s: Handler or Kinds is required", o.NodeID)
	case o.StopTimeout < 0:
		return transport.Errorf(ErrBadOption, "node %s: StopTimeout %v: 0 (default) or a duration", o.NodeID, o.StopTimeout)
	}
	if o.MaxInFlight < -1 {
		return transport.Errorf(ErrBadOption, "node %s: MaxInFlight %d: -1 (unlimited), 0 (default) or more", o.NodeID, o.MaxInFlight)
	}
	for kind, h := range o.Kinds {
		if kind == "" || h == nil {
			return transport.Errorf(ErrBadOption, "node %s: kind %q needs a name and a handler", o.NodeID, kind)
		}
	}
	if o.NumShards == 0 && o.Seed != "" {
		return transport.Errorf(ErrBadOption, "node %s: Seed %.64q without NumShards: give both, or neither", o.NodeID, o.Seed)
	}
	if o.NumShards != 0 {
		if err := (sharding.Layout{NumShards: o.NumShards, Seed: o.Seed}).Validate(); err != nil {
			return transport.Errorf(ErrBadOption, "node %s: NumShards: %v", o.NodeID, err)
		}
	}
	limit := o.NumShards
	if limit == 0 {
		limit = sharding.MaxShards
	}
	sorted := slices.Sorted(slices.Values(o.Shards))
	for i, s := range sorted {
		if s >= limit {
			return transport.Errorf(ErrShardOutOfRange, "node %s: shard %d: 0 to %d allowed", o.NodeID, s, limit-1)
		}
		if i > 0 && s == sorted[i-1] {
			return transport.Errorf(ErrBadOption, "node %s: shard %d is listed twice", o.NodeID, s)
		}
	}
	return nil
}

const idAlphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// newNodeID returns "node-" and six characters, 36 bits of chance.
func newNodeID() string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails
	for i := range b {
		b[i] = idAlphabet[int(b[i])%len(idAlphabet)]
	}
	return "node-" + string(b[:])
}

// Node represents a cluster member that owns and processes shards. Create via
// [NewNode] and start with [Node.Run].
type Node struct {
	opts    NodeOptions
	metrics ClusterMetrics
	entity  EntityMetrics
	ready   chan struct{}
	ran     atomic.Bool
	active  atomic.Int64 // handlers that run

	layout  layoutGuard
	handler transport.Receiver
	kinds   map[string]transport.Receiver
	info    []byte
}

// NewNode creates a new cluster node with the given options. Options that
// cannot work are reported by [Node.Run].
func NewNode(opts NodeOptions) *Node {
	opts = opts.withDefaults()
	opts.Shards, opts.Kinds = slices.Clone(opts.Shards), maps.Clone(opts.Kinds)
	n := &Node{opts: opts, metrics: measuring(opts.Metrics), ready: make(chan struct{})}
	n.entity, _ = n.metrics.(EntityMetrics)
	n.layout.init(opts)
	n.info, _ = json.Marshal(GetNodeInfoResponse{NodeID: opts.NodeID, Shards: opts.Shards})
	return n
}

// ID returns the node's identifier.
func (n *Node) ID() string { return n.opts.NodeID }

// Ready returns a channel that is closed when every owned shard is subscribed:
// requests find the node from then on.
func (n *Node) Ready() <-chan struct{} { return n.ready }

// Run starts the node, subscribing to all owned shards and handling incoming
// messages, and blocks until ctx ends. Then it refuses new messages, lets those
// that it has accepted come to their end, passivates every key with its stop
// hook, and returns when all that it started has ended: nil, or an error for
// what did not end in time. It returns an error at once if an option cannot
// work or a subscription fails. A node runs once.
func (n *Node) Run(ctx context.Context) error {
	if err := n.opts.validate(); err != nil {
		return err
	}
	if n.ran.Swap(true) {
		return transport.Errorf(ErrBadOption, "node %s has run before", n.opts.NodeID)
	}
	log := n.opts.Log.With(slog.String("node", n.opts.NodeID))
	life := transport.NewLifetime(log, n.opts.Transport)
	defer func() { _ = life.End() }() // where it has not ended below
	life.LimitInFlight(n.opts.MaxInFlight)
	if m, ok := n.metrics.(NotificationMetrics); ok {
		life.ObserveFailed(func(err *Error) { m.NotificationFailed(err.Code) })
	}
	n.bind(life)
	subs, err := n.subscribe(ctx, life)
	if err != nil {
		if ctx.Err() != nil {
			err = nil // asked to end while it began
		}
		return errors.Join(err, unsubscribe(subs))
	}
	n.owned(len(subs))
	if len(subs) == 0 {
		log.Warn("node owns no shards and serves nothing: is its ID among those that the shards were assigned to?")
	} else {
		log.Info("node is ready", slog.Int("shards", len(subs)))
	}
	close(n.ready)
	<-ctx.Done()
	log.Info("node drains")
	err = errors.Join(unsubscribe(subs), life.End())
	n.owned(0)
	log.Info("node has ended")
	return err
}

// bind finds the direct way into each handler.
func (n *Node) bind(life *transport.Lifetime) {
	n.kinds = make(map[string]transport.Receiver, len(n.opts.Kinds))
	for kind, h := range n.opts.Kinds {
		n.kinds[kind] = n.receiver(life, kind, h)
	}
	if n.opts.Handler != nil {
		n.handler = n.receiver(life, "", n.opts.Handler)
	}
}

func (n *Node) receiver(life *transport.Lifetime, kind string, h ServerHandlerFunc) transport.Receiver {
	env := handlers.Env{Kind: kind, Check: n.layout.checkKey, StopTimeout: n.opts.StopTimeout}
	if n.entity != nil {
		env.Observer = actor.Observer(n.entity)
	}
	if r, ok := handlers.Bind(h, life, env); ok {
		return r
	}
	return life.ReceiverFunc(h)
}

func (n *Node) subscribe(ctx context.Context, life *transport.Lifetime) ([]Subscription, error) {
	ctx = lifeContext{ctx, life.Context()}
	subs := make([]Subscription, 0, len(n.opts.Shards))
	front := n.front()
	receivers, direct := n.opts.Transport.(transport.ReceiverTransport)
	for _, shard := range n.opts.Shards {
		var sub Subscription
		var err error
		if direct {
			sub, err = receivers.Subscribe(ctx, shard, front)
		} else {
			sub, err = n.opts.Transport.SubscribeShard(ctx, shard, life.HandlerFunc(front))
		}
		if err != nil {
			return subs, transport.Annotate(err, "node "+n.opts.NodeID+" subscribes")
		}
		subs = append(subs, sub)
	}
	return subs, nil
}

// lifeContext is the caller's context with the values of the node's.
type lifeContext struct {
	context.Context
	values context.Context
}

func (c lifeContext) Value(key any) any {
	if v := c.values.Value(key); v != nil {
		return v
	}
	return c.Context.Value(key)
}

// unsubscribe ends all subscriptions side by side: each waits for its handlers.
func unsubscribe(subs []Subscription) error {
	errs := make([]error, len(subs))
	var wg sync.WaitGroup
	for i, s := range subs {
		wg.Go(func() { errs[i] = s.Unsubscribe() })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (n *Node) owned(count int) {
	if n.metrics != nil {
		n.metrics.ShardsOwned(n.opts.NodeID, count)
	}
}
