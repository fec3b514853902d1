// What clients of this library use of the transport, beside Request

package natstransport

import (
	"context"
	"time"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/internal/plain"
	"github.com/clstr-go/clstr/transport"
)

var (
	_ dispatch.Poster  = backend{}
	_ dispatch.Carrier = backend{}
)

// Sends implements [dispatch.Sender].
func (t backend) Sends(of transport.ClientTransport) bool { return of == t.Transport }

// Number implements [dispatch.Poster].
func (t backend) Number() uint64 { return t.calls.numbers.Add(1) }

// Post implements [dispatch.Poster].
func (t backend) Post(ctx context.Context, env *transport.Envelope, o dispatch.Order, until time.Time, to dispatch.Told) (open bool, err error) {
	r, err := t.sendable(ctx, env, true)
	if err != nil {
		return false, err
	}
	if !leadsHere(r, env) {
		w := dispatch.BeginWait(ctx) // for a connection that takes no more
		defer w.EndWait(ctx)
	}
	if r == nil {
		if r, err = t.find(ctx, env); err != nil {
			return false, err
		}
	}
	if leadsHere(r, env) {
		return t.here.post(ctx, r, env, o, until, to)
	}
	moment := expiry.At(until)
	if env.TTLMs > 0 {
		moment = min(moment, expiry.Plus(env.EndOfLife(), ttlGrace))
	}
	c := t.posted.call(r, to, o, moment)
	if err := r.To.post(ctx, r, env, c); err != nil {
		t.clock.Remove(&c.node)
		if mine, _ := t.calls.leave(c); mine {
			return false, err
		} // otherwise the clock has told it while it waited for room
	}
	return true, nil
}

// Takes implements [dispatch.Carrier].
func (t backend) Takes(shard uint32) bool {
	if r := t.owners.Get(shard); r != nil {
		return r.To.here
	}
	return !t.opts.AlwaysOverNATS && t.table.Newest(shard) != nil
}

// Carry implements [dispatch.Carrier].
func (t backend) Carry(ctx context.Context, env transport.Envelope, message plain.Value, want *plain.Type, lends bool) (data []byte, reply plain.Value, err error) {
	p := parcel{message: message, want: want, lends: lends}
	data, err = t.request(ctx, &env, &p)
	return data, p.reply, err
}

// budgetOf is what is left of ctx's deadline; 0 is none.
func budgetOf(ctx context.Context) time.Duration {
	if d, ok := ctx.Deadline(); ok {
		return max(time.Until(d), 1)
	}
	return 0
}
