// Routes to shards: what they need of this end

package natstransport

import (
	"context"
	"strings"
	"sync/atomic"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/pool"
	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport/internal/routes"
)

type route = routes.Route[*nodeBox]

// router sends and hears for the routes of an end.
type router struct {
	*routes.Routes[*nodeBox]
	t       *Transport
	halted  atomic.Bool  // nothing goes to nodes
	telling atomic.Int32 // answers about owners that wait to be sent
}

// Box implements [routes.End].
func (r *router) Box(node string) *nodeBox {
	t := r.t
	b := &nodeBox{t: t, subject: t.opts.Prefix + ".n." + node + "." + t.opts.Caller}
	b.Name, b.here = node, node == t.node && !t.opts.AlwaysOverNATS
	b.vigil.box = b
	b.pool, b.room, b.send, b.waits, b.open = t.flusher, &t.requestRoom, b.publish, true, &b.vigil.awaited
	b.halted = r.halted.Load()
	return b
}

// Lists implements [routes.End].
func (r *router) Lists(shard uint32) bool { return r.t.table.Serving(shard, 0) != nil }

// Send implements [routes.End].
func (r *router) Send(question []byte) {
	r.t.flusher.Go(pool.Func(func() {
		if r.t.link.Conn().PublishRequest(r.t.opts.Prefix+".who", r.t.who, question) != nil {
			r.Settle()
		}
	}))
}

// Hear implements [routes.End].
func (r *router) Hear() {
	r.t.flusher.Go(pool.Func(func() {
		if r.t.link.Hear(&r.t.ears.own) != nil {
			r.Deaf()
		}
	}))
}

// answer takes the answer to a question, or the server's word that no node listens.
func (r *router) answer(m *nats.Msg) {
	if len(m.Data) == 0 && m.Header.Get("Status") == "503" {
		r.Nobody()
	} else if err := r.Answer(m.Data); err != nil {
		r.t.packets.undecodable.Add(1)
		r.t.log.Warn("answer about owners is ignored", "error", err)
	}
}

func (r *router) announced(m *nats.Msg) {
	if err := r.Announced(m.Data); err != nil {
		r.t.packets.undecodable.Add(1)
		r.t.log.Warn("announcement of an owner is ignored: it does not decode", "error", err)
	}
}

// other asks for another route to an envelope's shard than the given one, while the envelope has time.
func (r *router) other(ctx context.Context, env *transport.Envelope, not *route, news bool) *route {
	if env.TTLMs > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, env.TTL())
		defer cancel()
	}
	return r.Ask(ctx, uint32(env.Shard), not, news)
}

// once is [routes.Once], while this end is open.
func (r *router) once(ctx context.Context, first uint32, good func(*wire.Owners) bool) (told wire.Owners, ok bool) {
	ctx, closed := context.WithCancel(ctx)
	defer closed()
	return routes.Once(ctx, func(ctx context.Context, question []byte) ([]byte, error) {
		if r.t.link.Closed() {
			closed()
		}
		m, err := r.t.link.Conn().RequestWithContext(ctx, r.t.opts.Prefix+".who", question)
		if err != nil {
			return nil, err
		}
		return m.Data, nil
	}, first, good)
}

// home returns a route to a shard that this end serves, if no owner is known; nil if this end does not serve it.
func (r *router) home(shard uint32) *route {
	s := r.t.table.Newest(shard)
	if s == nil || r.t.opts.AlwaysOverNATS {
		return nil
	}
	r.Learn(shard, wire.Owner{Epoch: s.Epoch, Node: r.t.node}, true)
	return r.Get(shard)
}

// at returns the way to the node that a subject names, or nil.
func (r *router) at(subject string) *nodeBox {
	node, ok := strings.CutPrefix(subject, r.t.opts.Prefix+".n.")
	if !ok {
		return nil
	}
	node, _, _ = strings.Cut(node, ".")
	b, _ := r.To(node)
	return b
}

// halt holds what goes to nodes, and returns the ways to those.
func (r *router) halt() (boxes []*nodeBox) {
	r.halted.Store(true)
	r.Each(func(b *nodeBox) {
		b.halt()
		boxes = append(boxes, b)
	})
	return boxes
}

// resume ends a halt.
func (r *router) resume(boxes []*nodeBox) {
	r.halted.Store(false)
	r.Each((*nodeBox).resume) // new ones too
	for _, b := range boxes { // those that are no longer known too
		b.resume()
	}
}

// leadsHere reports whether an envelope to the route's shard needs no NATS. r may be nil.
func leadsHere(r *route, env *transport.Envelope) bool {
	return r != nil && r.To.here && env.Type != turnsAt && env.Type != aliveAt // those are for the reader
}
