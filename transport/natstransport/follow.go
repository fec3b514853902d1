// How a request finds the owner of its shard, and follows it when the shard has moved

package natstransport

import (
	"context"
	"errors"

	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// follows is how often one request is sent again at once because its shard has a
// new owner.
const follows = 3

// noOwner reports whether an error says that a shard is not served where the
// request went, and that it has not started.
func noOwner(err error) bool {
	return (errors.Is(err, outcome.ErrTransportNoShardSubscriber) || errors.Is(err, outcome.ErrNotOwner)) &&
		outcome.Of(err).NeverRan()
}

// find asks for the owner of a shard that has no known one.
func (t *Transport) find(ctx context.Context, env *transport.Envelope) (*route, error) {
	r := t.asker.ask(ctx, env, nil, false)
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
	if err := wire.CheckShard(env, t.asker.numShards()); err != nil {
		return err
	}
	if err := t.asker.mayNotAsk(); err != nil {
		return outcome.Errorf(outcome.ErrNotPermitted, "%v", err)
	}
	if state := t.asker.state.Load(); state == living || state == silent {
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
		news := r.doubted()
		next := t.owners.routes.Get(r.shard)
		if next == nil || next == r {
			next = t.asker.ask(ctx, env, r, news)
		}
		if cause := ctx.Err(); cause != nil {
			return nil, outcome.ContextError(cause, outcome.NotStarted).WithCause(err)
		}
		if env.TTLMs > 0 {
			left := env.TTL()
			if left <= 0 {
				return nil, outcome.Errorf(outcome.ErrEnvelopeExpired, "no owner of shard %d was found in time", r.shard).WithCause(err)
			}
			env.TTLMs = max(1, left.Milliseconds())
			env.Stamp()
		}
		if next == nil {
			break
		}
		r, env.Retry = next, env.Retry || errors.Is(err, outcome.ErrNotOwner)
		data, err = t.exchange(ctx, r, env, p)
	}
	if !errors.Is(err, outcome.ErrTransportNoShardSubscriber) {
		return data, err
	}
	return nil, t.withoutOwner(env)
}
