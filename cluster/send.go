package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/clstr-go/clstr/transport"
)

// The pauses between tries: full jitter under a bound that doubles.
const (
	firstPause = 2 * time.Millisecond
	mostPause  = 250 * time.Millisecond
)

// send makes the envelope and sends it, again where nothing has run.
func (c *Client) send(ctx context.Context, t target, d transport.Delivery, msgType string, data []byte, scoped, opts []EnvelopeOption) ([]byte, error) {
	env, err := c.newEnvelope(t, d, msgType, data, scoped, opts)
	if err != nil {
		return c.done(nil, err, &env)
	}
	if m := c.metrics; m != nil && d == transport.AwaitReply {
		defer m.RequestDuration(msgType).ObserveDuration()
	}
	ctx, cancel, byDefault := bounded(ctx, &env)
	if cancel != nil {
		defer cancel()
	}
	reply, err := c.opts.Transport.Request(ctx, env)
	if err != nil {
		if c.retryable(err) {
			reply, err = c.again(ctx, env, err)
		}
		err = ended(ctx, err, byDefault)
	}
	return c.done(reply, err, &env)
}

// bounded gives a call without a deadline the default one. A request carries it
// as its TTL, which costs no timer; a notification outlives its sender, so only
// the wait for the ack is bounded.
func bounded(ctx context.Context, env *Envelope) (_ context.Context, cancel context.CancelFunc, byDefault bool) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, nil, false
	}
	switch env.Delivery {
	case transport.AwaitReply:
		if env.TTLMs == 0 {
			env.TTLMs = DefaultRequestTimeout.Milliseconds()
			return ctx, nil, true
		}
	case transport.AwaitAccept:
		ctx, cancel = context.WithTimeout(ctx, DefaultRequestTimeout)
	}
	return ctx, cancel, false
}

func (c *Client) retryable(err error) bool {
	if !transport.OutcomeOf(err).NeverRan() {
		return false
	}
	for _, e := range c.retry {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// again tries until the call succeeds, may have run, or is out of time; then it
// returns the last refusal, which says why.
func (c *Client) again(ctx context.Context, env Envelope, err error) ([]byte, error) {
	end := time.Now().Add(DefaultRequestTimeout)
	if env.TTLMs > 0 {
		end = time.Now().Add(env.TTL())
	}
	if d, ok := ctx.Deadline(); ok && d.Before(end) {
		end = d
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	<-timer.C
	for most := firstPause; ; most = min(2*most, mostPause) {
		pause := time.Duration(rand.Int64N(int64(most))) + time.Microsecond
		if hint, ok := transport.RetryAfter(err); ok {
			pause += hint
		}
		if time.Until(end) <= pause {
			return nil, err
		}
		timer.Reset(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil, err
		}
		if env.TTLMs > 0 {
			env.TTLMs = max(1, time.Until(end).Milliseconds())
			env.CreatedAtMs = time.Now().UnixMilli()
		}
		reply, e := c.opts.Transport.Request(ctx, env)
		if e == nil {
			return reply, nil
		}
		err = e
		if !c.retryable(err) {
			return nil, err
		}
	}
}

// ended names the end of the caller's own time as its context does: the TTL
// that carries it is not the caller's.
func ended(ctx context.Context, err error, byDefault bool) error {
	if !errors.Is(err, ErrEnvelopeExpired) {
		return err
	}
	if cause := ctx.Err(); cause != nil {
		return transport.ContextError(cause, transport.OutcomeOf(err))
	}
	if byDefault {
		return transport.ContextError(context.DeadlineExceeded, transport.OutcomeOf(err))
	}
	return err
}

// done counts a call and gives its error the words of what was called.
func (c *Client) done(reply []byte, err error, env *Envelope) ([]byte, error) {
	if m := c.metrics; m != nil {
		if env.Delivery == transport.AwaitReply {
			m.RequestCompleted(env.Type, err == nil)
		} else {
			m.NotifyCompleted(env.Type, err == nil)
		}
		if err != nil {
			if t := errorType(err); t != "" {
				m.TransportError(t)
			}
		}
	}
	if err != nil {
		return nil, transport.Annotate(err, operation(env))
	}
	return reply, nil
}

func operation(env *Envelope) string {
	verb := "request"
	if env.Delivery != transport.AwaitReply {
		verb = "notify"
	}
	if env.Key == "" {
		return fmt.Sprintf("%s %s to shard %d", verb, env.Type, env.Shard)
	}
	key := env.Key
	if len(key) > 64 {
		key = key[:64]
	}
	return fmt.Sprintf("%s %s to key %q (shard %d)", verb, env.Type, key, env.Shard)
}
