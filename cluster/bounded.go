// How long a call waits at most, if its caller does not say

package cluster

import (
	"context"
	"errors"
	"time"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/turn"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// foreignGrace is how much longer than a TTL a call waits for a transport that does
// not end it by itself.
const foreignGrace = time.Second

// bounded gives a call without a deadline the default one. A request carries it
// as its TTL, and the library's transports end the wait at that TTL without a timer in
// the client. A notification outlives its sender, so only the wait for the ack
// is bounded. A carrier that is a [dispatch.Prompt] bounds this wait itself, because nearly no notification waits. inside says
// whether ctx may be a turn's. A call that a turn makes may have to wait for the store before it is sent.
func bounded(ctx context.Context, c *caller, env *Envelope, inside bool) (_ context.Context, cancel context.CancelFunc, byDefault bool) {
	prompt := env.Delivery == transport.AwaitAccept && c.prompt
	if env.Delivery == transport.AwaitNothing || dispatch.HasDeadline(ctx) || prompt && (!inside || turn.Unstored(ctx) == nil) {
		return ctx, nil, false
	}
	wait := DefaultRequestTimeout
	if env.Delivery == transport.AwaitReply {
		if byDefault = env.TTLMs == 0; byDefault {
			env.TTLMs = DefaultRequestTimeout.Milliseconds()
		} else {
			wait = env.TTL() + foreignGrace
		}
		if c.keepsTTL {
			return ctx, nil, byDefault
		}
	}
	ctx, cancel = context.WithTimeout(ctx, wait)
	return ctx, cancel, byDefault
}

// ended returns the error of the caller's context if a TTL that carries the context's deadline has
// ended: the caller has not set that TTL.
func ended(ctx context.Context, err error, byDefault bool) error {
	o := outcome.Of(err)
	if !errors.Is(outer(err), ErrEnvelopeExpired) || o == RanAndFailed { // a handler's error may be of another call's TTL
		return err
	}
	if cause := ctx.Err(); cause != nil {
		return outcome.ContextError(cause, o)
	}
	if byDefault {
		return outcome.ContextError(context.DeadlineExceeded, o)
	}
	return err
}
