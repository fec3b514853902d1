// How a lost message looks to its sender

package testkit

import (
	"context"
	"time"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/outcome"
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
		return outcome.ContextError(ctx.Err(), outcome.MaybeRan)
	case <-expired:
		return outcome.Errorf(outcome.ErrEnvelopeExpired, "no answer from shard %d", env.Shard).WithOutcome(outcome.MaybeRan)
	case <-closed:
		return outcome.Errorf(outcome.ErrTransportClosed, "while the request was on its way").WithOutcome(outcome.MaybeRan)
	}
}
