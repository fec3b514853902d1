// The way to a node: what is sent to it

package natstransport

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport/internal/link"
	"github.com/clstr-go/clstr/transport/natstransport/internal/routes"
)

// nodeBox is the way to one node, for all of its shards.
type nodeBox struct {
	outbox
	routes.Node
	t       *Transport
	subject string
	here    bool // it is this end, and what goes to it needs no NATS

	// How many messages were sent to the subject, and how many of them the server has
	// refused.
	sent, refused atomic.Int64

	vigil vigil
}

// post hands an envelope over; c is nil for one that awaits nothing.
func (b *nodeBox) post(ctx context.Context, r *route, env *transport.Envelope, c *call) error {
	limit := b.t.limit()
	var by *dispatch.Turn
	if c != nil && c.told == nil {
		by = dispatch.Waiting(ctx)
	}
	size := 123 + wire.SizeTurns(by) + len(env.Type) + len(env.Data) + len(env.Key) + len(env.Kind)
	for name, value := range env.Headers {
		size += 24 + len(name) + len(value)
	}
	var budget time.Duration
	fits, err := len(env.Data) <= limit, error(nil)
	if fits {
		fits, err = b.put(ctx, env, size, limit, 1, func(to *batch) {
			from := len(to.buf)
			if c != nil && c.told != nil {
				to.buf = wire.AppendNumbered(to.buf, env, r.Epoch, c.order.Number, c.order.After)
			} else {
				budget = budgetOf(ctx)
				to.buf = wire.AppendEnvelope(to.buf, env, budget, by, r.Epoch)
			}
			to.calls = append(to.calls, c)
			to.spans = append(to.spans, span{from, len(to.buf)})
		})
	}
	if err != nil {
		return err
	}
	if !fits {
		return wire.TooLarge(env, max(budget, budgetOf(ctx)), by, r.Epoch, limit+wire.Overhead)
	}
	return nil
}

// publish sends a batch of envelopes.
func (b *nodeBox) publish(m *batch) {
	t := b.t
	if t.link.Closed() { // callers that wait are told; the others were told that it goes out
		t.calls.refuse(m.calls, outcome.Errorf(outcome.ErrTransportClosed, "to %s", t.opts.Prefix))
	}
	first, open := t.calls.register(m)
	if len(m.calls) == 0 && !m.cancels {
		return // all senders have gone
	}
	unacked := len(m.calls) - open
	err := t.link.Ready()
	if err == nil {
		b.sent.Add(1)
		if err = t.link.Publish(b.subject, wire.ReplySubject(t.link.Inbox, first, len(m.calls), unacked), wire.AppendEnd(m.buf, first)); err != nil {
			b.sent.Add(-1)
		}
	}
	if err == nil {
		if open > 0 {
			b.vigil.begin()
		}
		return
	}
	t.missed.add(unacked, "subject", b.subject, "error", err)
	refusal := link.NotSent(err)
	decideAll(t.calls.takeRun(first, len(m.calls), nil), func(*call) *outcome.Error { return refusal })
}

// cancelSize is the most that a cancellation takes.
const cancelSize = 16

// cancel tells the node that the sender of a request has gone. The cancellation follows the
// request on its way. It takes no time of the caller, because the caller has none left.
func (b *nodeBox) cancel(id uint64) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // there is no waiting for room: then the deadline that travels must do
	_, _ = b.put(ctx, nil, cancelSize, b.t.limit(), 1, func(to *batch) {
		to.buf = wire.AppendCancel(to.buf, id)
		to.cancels = true
	})
}
