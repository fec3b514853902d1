// Node.Run: start, drain, end

package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

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
// [NewNode] and start with [Node.Start] or [Node.Run].
type Node struct {
	opts    NodeOptions
	metrics ClusterMetrics
	calls   CallMetrics // the same
	entity  EntityMetrics
	ready   chan struct{}
	ended   chan struct{}
	ending  sync.Once
	ran     atomic.Bool
	life    atomic.Pointer[dispatch.Lifetime] // of the handlers, once the node runs

	layout layoutGuard
	info   nodeInfo
	intake intake
	stored *stored // nil without a store of state; set by Run
	living *living // nil with a fixed list of shards; the same
	fixed  *fixed  // nil with a membership; the same
	vitals *vitals
}

// NewNode creates a new cluster node with the given options. Options that
// cannot work are reported by [Node.Run] and [Node.Start].
func NewNode(opts NodeOptions) *Node {
	opts = opts.withDefaults()
	opts.Shards, opts.Kinds = slices.Clone(opts.Shards), maps.Clone(opts.Kinds)
	n := &Node{opts: opts, metrics: measuring(opts.Metrics), ready: make(chan struct{}), ended: make(chan struct{})}
	n.intake.n, n.info.n = n, n
	n.vitals = newVitals(n)
	n.entity, _ = n.metrics.(EntityMetrics)
	n.calls = callMetrics(n.metrics)
	return n
}

// ID returns the node's identifier. Like [Node.Ended] it may be called on nil: code that runs at nodes, at clients and in tests of
// one entity asks no question first. Of nil it returns "".
func (n *Node) ID() string {
	if n == nil {
		return ""
	}
	return n.opts.NodeID
}

// Ready returns a channel that is closed when every owned shard is subscribed. From
// then on requests find the node. With a membership, the node has then joined and
// serves all that it should.
func (n *Node) Ready() <-chan struct{} { return n.ready }

// Run starts the node, subscribing to all owned shards and handling incoming messages,
// and blocks until ctx ends. Then it refuses new messages, lets accepted ones finish,
// and passivates every key with its stop hook. It returns when all that it started has
// ended: nil, or an error about what did not end in time. It returns an error at once
// if an option cannot work or a subscription fails, and also if its transport ends for
// good by itself. A node runs once.
//
// With a membership the end is a planned move: the node hands over its shards one after
// the other, and callers see a pause. Run returns [membership.ErrSuperseded] if a newer
// process with the node's ID has taken over. If an operator asks the node to leave
// (clstr drain), it returns nil although ctx has not ended.
func (n *Node) Run(ctx context.Context) (err error) {
	if err := n.begin(); err != nil {
		return err
	}
	defer func() { n.end(err) }()
	return n.run(ctx)
}

func (n *Node) end(err error) {
	n.ending.Do(func() {
		n.vitals.set(func(v *vitals) { v.ended, v.failed = true, err })
		close(n.ended)
	})
}

// begin is what a node does once.
func (n *Node) begin() error {
	if err := n.opts.validate(); err != nil {
		n.end(err)
		return err
	}
	if n.ran.Swap(true) {
		return outcome.Errorf(ErrBadOption, "node %s has run before", n.opts.NodeID)
	}
	return nil
}

func (n *Node) run(ctx context.Context) error {
	log := n.opts.Log
	life := dispatch.NewLifetime(log, dispatch.DispatcherOf(n.opts.Transport))
	defer func() { _ = life.End() }() // where it has not ended below
	if n.opts.BaseContext != nil {
		life.Inherit(n.opts.BaseContext)
	}
	n.life.Store(life)
	life.LimitInFlight(n.opts.MaxInFlight)
	life.LimitBytes(n.opts.MaxInFlightBytes, n.opts.MaxBytesPerKey)
	if n.entity != nil {
		life.ObserveFailed(func(err *Error) { n.entity.NotificationFailed(err.Code) })
	}
	ctx, stop := untilBroken(ctx, n.opts.Transport)
	defer stop()
	ctx, refuse := context.WithCancel(ctx)
	defer refuse()
	run := n.serves(life, refuse)
	defer n.stored.untilAsked(ctx)()
	n.intake.bind(life)
	defer n.vitals.look(ctx, (&drainLog{n: n}).look)()
	defer n.info.work.Wait()
	return errors.Join(run(ctx, log), n.stored.end())
}

// serves makes what serves the node's shards. refuse asks the node to end.
func (n *Node) serves(life *dispatch.Lifetime, refuse context.CancelFunc) (run func(context.Context, *slog.Logger) error) {
	var lose func(shard uint32, epoch uint64)
	if n.opts.Membership != nil {
		n.living = newLiving(n, life)
		run, lose = n.living.run, n.living.lose
	} else {
		n.fixed = newFixed(n, life)
		run, lose = n.fixed.run, n.fixed.lose
	}
	n.stored = newStored(n, lose, refuse)
	n.vitals.set(func(v *vitals) { v.stored = n.stored })
	return run
}

// untilBroken returns a context that also ends when the transport has ended for
// good by itself. The transport reports that to the node's lifetime.
func untilBroken(ctx context.Context, t ServerTransport) (_ context.Context, stop func()) {
	b, ok := t.(transport.ConnectionTransport)
	if !ok {
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() { // ends with ctx
		select {
		case <-b.Broken():
			cancel()
		case <-ctx.Done():
		}
	})
	return ctx, func() { cancel(); watch.Wait() }
}
