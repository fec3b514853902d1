// What each message passes on a node: built-in messages, layout, metrics

package cluster

import (
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/metrics"
	"github.com/clstr-go/clstr/sharding"
	"github.com/clstr-go/clstr/transport"
)

// front is a node as its transport sees it.
type front struct{ n *Node }

var (
	_ dispatch.Receiver = front{}
	_ dispatch.Observer = front{}
)

// subscriber is the node for its transport: it counts if there are metrics.
func (n *Node) subscriber() dispatch.Subscriber {
	to := dispatch.Subscriber{Receiver: front{n}}
	if n.metrics != nil {
		to.Observer = front{n}
	}
	return to
}

// Accept implements dispatch.Receiver: what every message passes on its way
// from the transport to a handler.
func (f front) Accept(c *dispatch.Call) {
	n, env := f.n, c.Envelope()
	if env.Type == MsgClusterNodeInfo {
		n.info.ask(c)
		return
	}
	if err := n.layout.check(env); err != nil {
		c.Refuse(err)
		return
	}
	r := n.handler
	if env.Kind != "" {
		r = n.kinds[env.Kind]
	}
	if r == nil {
		err := transport.Errorf(ErrUnknownKind, "kind %q on node %s, which hosts %s", env.Kind, n.opts.NodeID, n.hosts())
		if n.living != nil && env.Kind != "" {
			n.living.foreign.refuse(c, err)
			return
		}
		c.Refuse(err)
		return
	}
	r.Accept(c)
}

// hosts names what the node does host.
func (n *Node) hosts() string {
	names := slices.Sorted(maps.Keys(n.kinds))
	for i, name := range names {
		names[i] = strconv.Quote(name)
	}
	if n.handler != nil {
		names = append(names, "messages without a kind")
	}
	return strings.Join(names, ", ")
}

// CallStarted implements dispatch.Observer: it keeps the timer.
func (f front) CallStarted(c *dispatch.Call) any {
	f.n.countActive(1)
	return f.n.calls.HandlerStarted(f.n.kindOf(c), c.Envelope().Type)
}

// CallFinished implements dispatch.Observer.
func (f front) CallFinished(c *dispatch.Call, started bool, kept any, err *transport.Error) {
	n := f.n
	if !started {
		if n.entity != nil && err != nil && !c.Accepted() {
			n.entity.CallRefused(err.Code)
		}
		return
	}
	n.countActive(-1)
	msgType := c.Envelope().Type
	timer, _ := kept.(metrics.Timer)
	if err != nil && err.Outcome.NeverRan() && errors.Is(err, ErrUnknownType) {
		msgType = unknownType
		if t, ok := timer.(relabelled); ok {
			timer = nil
			t.ObserveDurationAs(msgType)
		}
	}
	if timer != nil {
		timer.ObserveDuration()
	}
	o := Succeeded
	if err != nil {
		o = err.Outcome
	}
	n.calls.HandlerEnded(n.kindOf(c), msgType, o)
}

// kindOf is the call's kind for the metrics. One that the node does not host is none:
// callers that make kinds up must not fill the metrics with names.
func (n *Node) kindOf(c *dispatch.Call) string {
	kind := c.Envelope().Kind
	if _, ok := n.kinds[kind]; !ok {
		return ""
	}
	return kind
}

// unknownType stands, on the node's side, for the message types that its entities
// do not know: whoever sends them must not fill the metrics with names.
const unknownType = "unknown"

// relabelled is a timer that can be told another message type than it was made
// for.
type relabelled interface{ ObserveDurationAs(msgType string) }

// countActive tells how many handlers run. Two that tell at the same moment may
// do so in either order: each tells again until what it told still holds, so
// that the last to tell is right.
func (n *Node) countActive(delta int64) {
	told := n.active.Add(delta)
	for {
		n.metrics.HandlersActive(n.opts.NodeID, int(told))
		now := n.active.Load()
		if now == told {
			return
		}
		told = now
	}
}

// layoutGuard refuses callers that hash keys differently from this node, so
// that no key is ever activated in two places.
type layoutGuard struct {
	log     *slog.Logger
	known   bool // the options said it
	layout  sharding.Layout
	print   *atomic.Uint64 // 0 until it is known
	highest uint32         // of the shards owned
}

// init is called before the first message. Nodes that were not told the layout share
// what one of them learns, as long as they share a transport in one process.
func (g *layoutGuard) init(layout sharding.Layout, shards []uint32, t ServerTransport, log *slog.Logger) (leave func()) {
	g.log, g.known, g.layout = log, layout.NumShards != 0, layout
	for _, s := range shards {
		g.highest = max(g.highest, s)
	}
	shared, leave := new(atomic.Uint64), func() {}
	if t, ok := t.(dispatch.Dispatched); ok {
		shared, leave = t.Dispatcher().JoinLayout()
	}
	g.print = shared
	if g.known {
		mine := g.layout.Fingerprint()
		if learnt := shared.Swap(mine); learnt != 0 && learnt != mine {
			log.Warn("nodes on this transport that were not given NumShards had learnt another layout than this node was given: from now on they go by this one's")
		}
		g.print = new(atomic.Uint64)
		g.print.Store(mine)
	}
	return leave
}

// check compares fingerprints; envelopes to a shard, and those of senders that
// do not say, have none.
func (g *layoutGuard) check(env *Envelope) *transport.Error {
	if env.Layout == 0 {
		return nil
	}
	print := g.print.Load()
	if print == 0 && env.NumShards > g.highest {
		if g.print.CompareAndSwap(0, env.Layout) {
			g.log.Warn("the node has learnt from its first caller how keys map to shards: give its options NumShards and Seed, so that a caller that is wrong is refused whenever it comes",
				slog.Uint64("num_shards", uint64(env.NumShards)))
			return nil
		}
		print = g.print.Load()
	}
	switch {
	case print == env.Layout && env.NumShards > g.highest:
		return nil
	case g.known && env.NumShards != g.layout.NumShards:
		return transport.Errorf(ErrLayoutMismatch, "the caller has %d shards, the node %d", env.NumShards, g.layout.NumShards)
	case env.NumShards <= g.highest:
		return transport.Errorf(ErrLayoutMismatch, "the caller has %d shards, the node owns shard %d", env.NumShards, g.highest)
	case g.known:
		return transport.Errorf(ErrLayoutMismatch, "the caller has another seed or hash than the node")
	}
	return transport.Errorf(ErrLayoutMismatch, "the caller's shard count (%d), seed or hash differs from that of earlier callers: set NumShards and Seed of the node to see which is wrong", env.NumShards)
}

// checkKey is asked before a key is activated.
func (g *layoutGuard) checkKey(shard uint32, key string) error {
	if !g.known {
		return nil
	}
	if want := g.layout.Shard(key); want != shard {
		return transport.Errorf(ErrLayoutMismatch, "the key belongs to shard %d of %d, not to shard %d", want, g.layout.NumShards, shard)
	}
	return nil
}
