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

	"github.com/clstr-go/clstr/internal/codec"
	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/host"
	"github.com/clstr-go/clstr/internal/hosting"
	"github.com/clstr-go/clstr/metrics"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/sharding"
)

// intake is a node as its transport sees it.
type intake struct {
	n       *Node
	handler dispatch.Receiver
	kinds   map[string]dispatch.Receiver
	active  atomic.Int64 // handlers that run
}

var (
	_ dispatch.Receiver = (*intake)(nil)
	_ dispatch.Meter    = (*intake)(nil)
)

// subscriber is what the transport is given. It counts calls if there are metrics.
func (i *intake) subscriber() dispatch.Subscriber {
	to := dispatch.Subscriber{Receiver: i}
	if i.n.metrics != nil {
		to.Meter = i
	}
	return to
}

// bind finds the direct way into each handler.
func (i *intake) bind(life *dispatch.Lifetime) {
	i.kinds = make(map[string]dispatch.Receiver, len(i.n.opts.Kinds))
	for kind, h := range i.n.opts.Kinds {
		i.kinds[kind] = i.receiver(life, kind, h)
	}
	if i.n.opts.Handler != nil {
		i.handler = i.receiver(life, "", i.n.opts.Handler)
	}
}

func (i *intake) receiver(life *dispatch.Lifetime, kind string, h ServerHandlerFunc) dispatch.Receiver {
	setup := hosting.Setup{Kind: kind, Check: i.n.layout.checkKey, StopTimeout: i.n.opts.StopTimeout, Base: i.n.opts.BaseContext}
	setup.Around = hosting.AroundOf(i.n.opts.Around, func(in *hosting.Incoming) *Incoming { return (*Incoming)(in) })
	setup.Keeper = i.n.stored.forHosts()
	switch {
	case i.n.living != nil:
		setup.Lapsed = i.n.living.lapsed
	case i.n.stored != nil:
		setup.Lapsed = i.n.fixed.lapsed
	}
	if i.n.entity != nil {
		setup.Observer = host.Observer(i.n.entity)
	}
	r, _ := hosting.Bind(h, life, setup)
	return r
}

// Accept implements dispatch.Receiver: what every message passes on its way
// from the transport to a handler.
func (i *intake) Accept(c *dispatch.Call) {
	n, env := i.n, c.Envelope()
	if env.Type == MsgClusterNodeInfo {
		n.info.answerSoon(c)
		return
	}
	if err := n.layout.check(env); err != nil {
		c.Refuse(err)
		return
	}
	if env.Codec != codec.JSON {
		if err := codec.Known(env.Codec); err != nil {
			c.Refuse(outcome.Errorf(ErrUnknownCodec, "node %s: %v", n.opts.NodeID, err))
			return
		}
	}
	r := i.handler
	if env.Kind != "" {
		r = i.kinds[env.Kind]
	}
	if r == nil {
		err := outcome.Errorf(ErrUnknownKind, "kind %q on node %s, which hosts %s", env.Kind, n.opts.NodeID, i.hosts())
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
func (i *intake) hosts() string {
	names := slices.Sorted(maps.Keys(i.kinds))
	for at, name := range names {
		names[at] = strconv.Quote(name)
	}
	if i.handler != nil {
		names = append(names, "messages without a kind")
	}
	return strings.Join(names, ", ")
}

// CallStarted implements dispatch.Meter: it keeps the timer.
func (i *intake) CallStarted(c *dispatch.Call) any {
	i.countActive(1)
	return i.n.calls.HandlerStarted(i.kindOf(c), c.Envelope().Type)
}

// CallFinished implements dispatch.Meter.
func (i *intake) CallFinished(c *dispatch.Call, started bool, kept any, err *outcome.Error) {
	n := i.n
	if !started {
		if n.entity != nil && err != nil && !c.Accepted() {
			n.entity.CallRefused(err.Code)
		}
		return
	}
	i.countActive(-1)
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
	n.calls.HandlerEnded(i.kindOf(c), msgType, o)
}

// kindOf is the call's kind for the metrics, and empty for a kind that the node does not host:
// callers that make kinds up must not fill the metrics with names.
func (i *intake) kindOf(c *dispatch.Call) string {
	kind := c.Envelope().Kind
	if _, ok := i.kinds[kind]; !ok {
		return ""
	}
	return kind
}

// unknownType stands, on the node's side, for the message types that its entities do not
// know: a sender of such types must not fill the metrics with names.
const unknownType = "unknown"

// relabelled is a timer that can be told another message type than it was made
// for.
type relabelled interface{ ObserveDurationAs(msgType string) }

// countActive tells the metrics how many handlers run. Two calls at the same moment may
// tell them in either order. Each call tells again until the number that it told still holds, so
// the last number is right.
func (i *intake) countActive(delta int64) {
	told := i.active.Add(delta)
	for {
		i.n.metrics.HandlersActive(i.n.opts.NodeID, int(told))
		now := i.active.Load()
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
// the layout that one of them learns, as long as they share a transport in one process.
func (g *layoutGuard) init(layout sharding.Layout, shards []uint32, t ServerTransport, log *slog.Logger) (leave func()) {
	g.log, g.known, g.layout = log, layout.NumShards != 0, layout
	for _, s := range shards {
		g.highest = max(g.highest, s)
	}
	shared, leave := new(atomic.Uint64), func() {}
	if d := dispatch.DispatcherOf(t); d != nil {
		shared, leave = d.JoinLayout()
	}
	g.print = shared
	if g.known {
		mine := g.layout.Fingerprint()
		if learnt := shared.Swap(mine); learnt != 0 && learnt != mine {
			log.Warn("nodes without NumShards on this transport had adopted another layout: from now on they use this node's; set NumShards and Seed in all of them")
		}
		g.print = new(atomic.Uint64)
		g.print.Store(mine)
	}
	return leave
}

// check compares fingerprints. An envelope has none if it goes to a shard, or if its sender
// does not send one.
func (g *layoutGuard) check(env *Envelope) *outcome.Error {
	if env.Layout == 0 {
		return nil
	}
	print := g.print.Load()
	if print == 0 && env.NumShards > g.highest {
		if g.print.CompareAndSwap(0, env.Layout) {
			g.log.Warn("the node has adopted its first caller's layout of keys and shards: set NumShards and Seed in its options, so that the node refuses a wrong caller even if it comes first",
				slog.Uint64("num_shards", uint64(env.NumShards)))
			return nil
		}
		print = g.print.Load()
	}
	switch {
	case print == env.Layout && env.NumShards > g.highest:
		return nil
	case g.known && env.NumShards != g.layout.NumShards:
		return outcome.Errorf(ErrLayoutMismatch, "the caller has %d shards, the node %d", env.NumShards, g.layout.NumShards)
	case env.NumShards <= g.highest:
		return outcome.Errorf(ErrLayoutMismatch, "the caller has %d shards, the node owns shard %d", env.NumShards, g.highest)
	case g.known:
		return outcome.Errorf(ErrLayoutMismatch, "the caller has another seed or hash than the node")
	}
	return outcome.Errorf(ErrLayoutMismatch, "the caller's shard count (%d), seed or hash differs from that of earlier callers: set NumShards and Seed of the node to see which is wrong", env.NumShards)
}

// checkKey is asked before a key is activated.
func (g *layoutGuard) checkKey(shard uint32, key string) *outcome.Error {
	if !g.known {
		return nil
	}
	if want := g.layout.Shard(key); want != shard {
		return outcome.Errorf(ErrLayoutMismatch, "the key belongs to shard %d of %d, not to shard %d", want, g.layout.NumShards, shard)
	}
	return nil
}
