// Requests on their way out, and what comes back

package natstransport

import (
	"context"
	"errors"
	"math"
	"sync/atomic"
	"time"

	"github.com/clstr-go/clstr/outcome"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/pool"
	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/transport"
)

// ttlGrace is how much longer than the time to live a caller waits for the node to say whether the handler had started.
const ttlGrace = 250 * time.Millisecond

// Request implements [transport.ClientTransport].
func (t *Transport) Request(ctx context.Context, env transport.Envelope) ([]byte, error) {
	return t.request(ctx, &env, nil)
}

// request is Request for a message that may be a value; p is nil for bytes.
func (t *Transport) request(ctx context.Context, env *transport.Envelope, p *parcel) (data []byte, err error) {
	r, err := t.sendable(ctx, env, p != nil)
	if err != nil {
		return nil, err
	}
	if leadsHere(r, env) {
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
		data, err = t.exchange(ctx, &w, r, env, p)
	}
	if err != nil {
		return t.elsewhere(ctx, env, p, r, data, err)
	}
	return data, nil
}

// sendable returns an error if an envelope cannot be sent now, and otherwise what is known of the owner of its shard. It bounds
// envelopes that can be sent. ours says that a client of this library has just made the envelope, and validated all but its headers.
func (t *Transport) sendable(ctx context.Context, env *transport.Envelope, ours bool) (r *route, err error) {
	if !ours || len(env.Headers) > 0 {
		if err := env.Validate(); err != nil {
			return nil, err
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, outcome.ContextError(err, outcome.NotSent)
	}
	if !ours && env.Expired() {
		return nil, outcome.Errorf(outcome.ErrEnvelopeExpired, "TTL of %d ms", env.TTLMs)
	}
	if r = t.owners.Get(uint32(env.Shard)); r == nil {
		r = t.owners.home(uint32(env.Shard))
	}
	if err := t.canSend(); err != nil && !(leadsHere(r, env) && !t.link.Closed() && t.link.Ends() == nil) {
		return nil, err
	}
	dispatch.Bound(ctx, env) // what it waits for here is taken from its time to live
	return r, nil
}

// canSend returns an error if nothing can leave the process now.
func (t *Transport) canSend() error {
	if t.link.Closed() {
		return outcome.Errorf(outcome.ErrTransportClosed, "to %s", t.opts.Prefix)
	}
	return t.link.Ready()
}

// limit is how large a packet's envelopes or replies may be.
func (t *Transport) limit() int {
	most := t.link.MaxMessage.Load()
	if most <= 0 { // the watcher has yet to see that there is a server
		if most = t.link.Conn().MaxPayload(); most <= 0 {
			most = wire.DefaultMaxMessage
		}
	}
	return max(0, int(most)-wire.Overhead)
}

// exchange sends a request and waits for its outcome. w is the wait that was begun with ctx; nil for none.
func (t *Transport) exchange(ctx context.Context, w *dispatch.Wait, r *route, env *transport.Envelope, p *parcel) ([]byte, error) {
	if leadsHere(r, env) {
		return t.here.handOver(ctx, r, env, p)
	}
	p.encode(env)
	if env.Delivery == transport.AwaitNothing {
		return nil, r.To.post(ctx, r, env, nil)
	}
	c := &call{t: t, to: r, signal: signals.Get().(chan struct{}), lends: p != nil && p.lends}
	if err := r.To.post(ctx, r, env, c); err != nil {
		return nil, err
	}
	return c.await(ctx, w, env)
}

// follows is how often one request is sent again at once because its shard has a new owner.
const follows = 3

// noOwner reports whether an error says that a shard is not served where the
// request went, and that it has not started.
func noOwner(err error) bool {
	return (errors.Is(err, outcome.ErrTransportNoShardSubscriber) || errors.Is(err, outcome.ErrNotOwner)) &&
		outcome.Of(err).NeverRan()
}

// find asks for the owner of a shard that has no known one.
func (t *Transport) find(ctx context.Context, env *transport.Envelope) (*route, error) {
	r := t.owners.other(ctx, env, nil, false)
	if err := ctx.Err(); err != nil {
		return nil, outcome.ContextError(err, outcome.NotSent)
	}
	if env.Expired() {
		return nil, outcome.Errorf(outcome.ErrEnvelopeExpired, "no node has said which node owns the shard").WithOutcome(outcome.NotSent)
	}
	if err := t.canSend(); err != nil {
		return nil, err
	}
	if r == nil {
		return nil, t.withoutOwner(env)
	}
	return r, nil
}

// withoutOwner is the error for a shard that no node serves, as far as is known.
func (t *Transport) withoutOwner(env *transport.Envelope) error {
	if err := wire.CheckShard(env, t.owners.NumShards()); err != nil {
		return err
	}
	if err := t.owners.Denied(); err != nil {
		return outcome.Errorf(outcome.ErrNotPermitted, "%v", err)
	}
	if t.owners.MayMove() {
		return outcome.Errorf(outcome.ErrNotOwner, "shard %d has no owner at the moment", env.Shard)
	}
	return outcome.Errorf(outcome.ErrTransportNoShardSubscriber, "shard %d", env.Shard)
}

// elsewhere sends a request that has found no owner again, if another owner is known
// by then. Only a request that surely did not start is sent again.
func (t *Transport) elsewhere(ctx context.Context, env *transport.Envelope, p *parcel, r *route, data []byte, err error) ([]byte, error) {
	for range follows {
		if !noOwner(err) {
			return data, err
		}
		if why := t.canSend(); why != nil { // no node can be asked
			return nil, why
		}
		news := r.Doubted()
		next := t.owners.Get(r.Shard)
		if next == nil || next == r {
			next = t.owners.other(ctx, env, r, news)
		}
		if cause := ctx.Err(); cause != nil {
			return nil, outcome.ContextError(cause, outcome.NotStarted).WithCause(err)
		}
		if env.TTLMs > 0 {
			left := env.TTL()
			if left <= 0 {
				return nil, outcome.Errorf(outcome.ErrEnvelopeExpired, "no owner of shard %d was found in time", r.Shard).WithCause(err)
			}
			env.TTLMs = max(1, left.Milliseconds())
			env.Stamp()
		}
		if next == nil {
			break
		}
		r, env.Retry = next, env.Retry || errors.Is(err, outcome.ErrNotOwner)
		p.encode(env) // an Around may have kept the value
		data, err = t.exchange(ctx, nil, r, env, p)
	}
	if !errors.Is(err, outcome.ErrTransportNoShardSubscriber) {
		return data, err
	}
	return nil, t.withoutOwner(env)
}

// Layout implements [transport.LayoutTransport].
func (t *Transport) Layout(ctx context.Context) (numShards uint32, seed string, err error) {
	told, ok := t.owners.once(ctx, math.MaxUint32, func(told *wire.Owners) bool { return told.NumShards > 0 && told.NumShards <= wire.MaxShards })
	switch {
	case ok:
		return told.NumShards, told.Seed, nil
	case t.link.Closed():
		return 0, "", outcome.Errorf(outcome.ErrTransportClosed, "how keys map to shards")
	case ctx.Err() != nil:
		return 0, "", outcome.ContextError(ctx.Err(), outcome.NotSent)
	}
	return 0, "", outcome.Errorf(outcome.ErrTransportNoShardSubscriber, "no node of a live cluster answers at %s.who", t.opts.Prefix).WithOutcome(outcome.NotSent)
}

// later has the flusher publish a message that no caller waits for. waits, which may be nil, is counted down then.
func (t *Transport) later(subject string, data []byte, waits *atomic.Int32) {
	t.flusher.Go(pool.Func(func() {
		if err := t.link.Conn().Publish(subject, data); err != nil {
			t.log.Warn("message was not sent", "subject", subject, "error", err)
		}
		if waits != nil {
			waits.Add(-1)
		}
	}))
}
