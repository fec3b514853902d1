// Notifications whose sender goes on before they are accepted

package natstransport

import (
	"context"
	"time"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/transport"
)

var _ dispatch.Poster = backend{}

// Sends implements [dispatch.Sender].
func (t backend) Sends(of transport.ClientTransport) bool { return of == t.Transport }

// Number implements [dispatch.Poster].
func (t backend) Number() uint64 { return t.calls.numbers.Add(1) }

// Post implements [dispatch.Poster].
func (t backend) Post(ctx context.Context, env *transport.Envelope, o dispatch.Order, until time.Time, to dispatch.Told) (open bool, err error) {
	if err := t.sendable(ctx, env); err != nil {
		return false, err
	}
	w := dispatch.BeginWait(ctx) // for a connection that takes no more
	defer w.EndWait(ctx)
	box, err := t.way(ctx, env)
	if err != nil {
		return false, err
	}
	moment := expiry.At(until)
	if env.TTLMs > 0 {
		moment = min(moment, expiry.Plus(env.EndOfLife(), ttlGrace))
	}
	c := &call{t: t.Transport, to: box, told: to, order: o}
	t.clock.Add(&c.node, c, moment) // before it goes out, because after that it may be told at any moment
	if err := box.post(ctx, env, c); err != nil {
		t.clock.Remove(&c.node)
		return false, err
	}
	return true, nil
}

// budgetOf is what is left of ctx's deadline; 0 is none.
func budgetOf(ctx context.Context) time.Duration {
	if d, ok := ctx.Deadline(); ok {
		return max(time.Until(d), 1)
	}
	return 0
}
