// Requests on their way out, and what comes back

package natstransport

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clstr-go/clstr/outcome"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/transport"
)

// ttlGrace is how much longer than the time to live a caller waits for the node
// to say whether the handler had started.
const ttlGrace = 250 * time.Millisecond

// nodeBox is the way to one node, for all of its shards.
type nodeBox struct {
	outbox
	t       *Transport
	node    string
	subject string
	here    bool // it is this end, and what goes to it needs no NATS

	// How many messages were sent to the subject, and how many of them the server has
	// refused.
	sent, refused atomic.Int64
	gone          atomic.Bool // no node listens

	// Guarded by owners.mu.
	routes int      // that lead here
	serves []uint32 // the shards of its fixed list, in ascending order
	fixed  bool     // it has such a list, and answers questions
	since  uint64   // the question after which it was announced
	round  uint64   // of the question that it has last answered

	vigil vigil
}

var signals = sync.Pool{New: func() any { return make(chan struct{}, 1) }}

// Request implements [transport.ClientTransport].
func (t *Transport) Request(ctx context.Context, env transport.Envelope) ([]byte, error) {
	return t.request(ctx, &env, nil)
}

// request is Request for a message that may be a value; p is nil for bytes.
func (t *Transport) request(ctx context.Context, env *transport.Envelope, p *parcel) (data []byte, err error) {
	r, err := t.sendable(ctx, env)
	if err != nil {
		return nil, err
	}
	if r.leadsHere(env) {
		if data, err = t.here.handOver(ctx, r, env, p); !noOwner(err) {
			return data, err
		}
	}
	w := dispatch.BeginWait(ctx)
	if env.Delivery != transport.AwaitNothing {
		w.For(ctx, env.Shard)
	}
	defer w.EndWait(ctx)
	if r == nil {
		if r, err = t.find(ctx, env); err != nil {
			return nil, err
		}
	}
	if err == nil { // this end has not refused it
		data, err = t.exchange(ctx, r, env, p)
	}
	if err != nil {
		return t.elsewhere(ctx, env, p, r, data, err)
	}
	return data, nil
}

// sendable returns an error if an envelope cannot be sent now, and otherwise what is known of the
// owner of its shard. It bounds envelopes that can be sent.
func (t *Transport) sendable(ctx context.Context, env *transport.Envelope) (r *route, err error) {
	if err := env.Validate(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, outcome.ContextError(err, outcome.NotSent)
	}
	if env.Expired() {
		return nil, outcome.Errorf(outcome.ErrEnvelopeExpired, "TTL of %d ms", env.TTLMs)
	}
	if r = t.owners.routes.Get(uint32(env.Shard)); r == nil {
		r = t.home(uint32(env.Shard))
	}
	if err := t.canSend(); err != nil && !(r.leadsHere(env) && t.lives()) {
		return nil, err
	}
	dispatch.Bound(ctx, env) // what it waits for here is taken from its time to live
	return r, nil
}

// exchange sends a request and waits for its outcome.
func (t *Transport) exchange(ctx context.Context, r *route, env *transport.Envelope, p *parcel) ([]byte, error) {
	if r.leadsHere(env) {
		return t.here.handOver(ctx, r, env, p)
	}
	p.encode(env)
	if env.Delivery == transport.AwaitNothing {
		return nil, r.post(ctx, env, nil)
	}
	c := &call{t: t, to: r, signal: signals.Get().(chan struct{})}
	if err := r.post(ctx, env, c); err != nil {
		return nil, err
	}
	return c.await(ctx, env)
}

// canSend returns an error if nothing can leave the process now.
func (t *Transport) canSend() error {
	if t.closed.Load() {
		return outcome.Errorf(outcome.ErrTransportClosed, "to %s", t.opts.Prefix)
	}
	return t.connected()
}

func (t *Transport) connected() error {
	if t.up.Load() {
		return nil
	}
	if gone := t.gone.Load(); gone != nil {
		return gone
	}
	return outcome.Errorf(outcome.ErrDisconnected, "status %v", nats.Status(t.status.Load()))
}

// post hands an envelope over; c is nil for one that awaits nothing.
func (r *route) post(ctx context.Context, env *transport.Envelope, c *call) error {
	b := r.to
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
				to.buf = wire.AppendNumbered(to.buf, env, r.epoch, c.order.Number, c.order.After)
			} else {
				budget = budgetOf(ctx)
				to.buf = wire.AppendEnvelope(to.buf, env, budget, by, r.epoch)
			}
			to.calls = append(to.calls, c)
			to.spans = append(to.spans, span{from, len(to.buf)})
		})
	}
	if err != nil {
		return err
	}
	if !fits {
		return wire.TooLarge(env, max(budget, budgetOf(ctx)), by, r.epoch, limit+wire.Overhead)
	}
	return nil
}

// publish sends a batch of envelopes.
func (b *nodeBox) publish(m *batch) {
	t := b.t
	if t.closed.Load() { // callers that wait are told; the others were told that it goes out
		t.refuse(m.calls, outcome.Errorf(outcome.ErrTransportClosed, "to %s", t.opts.Prefix))
	}
	first, open := t.calls.register(m)
	if len(m.calls) == 0 && !m.cancels {
		return // all senders have gone
	}
	unacked := len(m.calls) - open
	err := t.connected()
	if err == nil {
		b.sent.Add(1)
		if err = t.send(b.subject, replySubject(t.inbox, first, len(m.calls), unacked), wire.AppendEnd(m.buf, first)); err != nil {
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
	refusal := notSent(err)
	decideAll(t.calls.takeRun(first, len(m.calls), nil), func(*call) *outcome.Error { return refusal })
}

// send publishes a message. If it returns an error, the message has not reached the server whole,
// because a write that fails leaves out the end of the data, and the message is at the end.
func (t *Transport) send(subject, reply string, data []byte) error {
	nc := t.nc.Load()
	err := nc.PublishRequest(subject, reply, data)
	if errors.Is(err, nats.ErrMaxPayload) {
		t.maxPayload.Store(nc.MaxPayload()) // lowered meanwhile
	}
	if _, failed := errors.AsType[net.Error](err); failed && t.opts.Conn == nil {
		_ = nc.ForceReconnect() // nats.go has dropped what it had not written
	}
	return err
}

// notSent makes the error of a message that has not left the process.
func notSent(err error) *outcome.Error {
	if e, ok := errors.AsType[*outcome.Error](err); ok {
		return e
	}
	switch {
	case errors.Is(err, nats.ErrMaxPayload):
		return outcome.Errorf(outcome.ErrTooLarge, "%v", err)
	case errors.Is(err, nats.ErrConnectionClosed): // for good
		return outcome.Errorf(outcome.ErrTransportClosed, "%v", err)
	}
	return outcome.Errorf(outcome.ErrDisconnected, "%v", err)
}

// await waits for the outcome of a call that was posted.
func (c *call) await(ctx context.Context, env *transport.Envelope) ([]byte, error) {
	if env.TTLMs > 0 {
		// It wakes the caller soon after the time to live.
		c.t.clock.Add(&c.node, c, expiry.Plus(env.EndOfLife(), ttlGrace))
		defer c.t.clock.Remove(&c.node)
	}
	select {
	case <-c.signal:
		return c.outcome()
	case <-ctx.Done():
	}
	ok, sent := c.t.calls.leave(c)
	if !ok {
		<-c.signal // decided at the same moment
		return c.outcome()
	}
	if !sent {
		return nil, outcome.ContextError(ctx.Err(), outcome.NotSent)
	}
	c.to.to.cancel(c.id)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		c.t.asker.recheck(c.to)
	}
	return nil, outcome.ContextError(ctx.Err(), outcome.MaybeRan)
}

func (c *call) outcome() ([]byte, error) {
	signals.Put(c.signal)
	if c.err != nil {
		if c.sent { // here, and not on the reader: it runs code of the application's
			outcome.Resolve(c.err)
		}
		return nil, c.err
	}
	return c.data, nil
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
