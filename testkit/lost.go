// How a lost message looks to its sender

package testkit

import (
	"context"
	"time"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/transport"
)

// lost ends a call whose message or answer was lost. The caller is told nothing: it
// waits until its own deadline or TTL. If the caller's transport closes, the wait ends
// too.
func lost(ctx context.Context, env *transport.Envelope, closed <-chan struct{}) error {
	if env.Delivery == transport.AwaitNothing {
		return nil // as far as its sender knows, it is on its way
	}
	defer dispatch.BeginWait(ctx).EndWait(ctx)
	var expired <-chan time.Time
	if env.TTLMs > 0 {
		timer := time.NewTimer(env.TTL())
		defer timer.Stop()
		expired = timer.C
	}
	select {
	case <-ctx.Done():
		return transport.ContextError(ctx.Err(), transport.MaybeRan)
	case <-expired:
		return transport.Errorf(transport.ErrEnvelopeExpired, "no answer from shard %d", env.Shard).WithOutcome(transport.MaybeRan)
	case <-closed:
		return transport.Errorf(transport.ErrTransportClosed, "while the request was on its way").WithOutcome(transport.MaybeRan)
	}
}
