// Deadlines, retries, and what a failed call is called

package cluster

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/transport"
)

// The pauses between tries: full jitter under a bound that doubles.
const (
	firstPause = 2 * time.Millisecond
	mostPause  = 250 * time.Millisecond
)

// firstLook is for how long a client's first call to a shard looks for a node that
// serves it: one that this program has just begun to start. It is the sum of the pauses
// between looks. A machine that is too busy to start the node makes them longer, up to
// firstMost in all.
const (
	firstLook = 250 * time.Millisecond
	firstMost = 2 * time.Second
)

// kindLook is for how long a call of a kind is tried again that its node does not
// host, and another member does.
const kindLook = 5 * time.Second

// ttlGrace is how much longer than a TTL a call waits for a transport that does
// not end it by itself.
const ttlGrace = time.Second

// send makes the envelope and sends it, again where nothing has run.
func (c *Client) send(ctx context.Context, t target, d transport.Delivery, msgType string, data []byte, scoped, opts []EnvelopeOption) ([]byte, error) {
	var env Envelope // here, and filled below: it is too large to be copied back at each step
	reply, err := c.call(ctx, &env, t, d, msgType, data, scoped, opts)
	return c.done(reply, err, &env)
}

// call is send without done, for callers that look at the reply first. It leaves in env
// what was sent.
func (c *Client) call(ctx context.Context, env *Envelope, t target, d transport.Delivery, msgType string, data []byte, scoped, opts []EnvelopeOption) ([]byte, error) {
	if c.opts.Intercept != nil {
		return c.intercepted(ctx, env, t, d, msgType, data, scoped, opts)
	}
	return c.callOnce(ctx, env, t, d, msgType, data, scoped, opts)
}

// callOnce is call without what intercepts it.
func (c *Client) callOnce(ctx context.Context, env *Envelope, t target, d transport.Delivery, msgType string, data []byte, scoped, opts []EnvelopeOption) ([]byte, error) {
	by := c.known.mapping.Load()
	if by == nil {
		return c.callUnlearnt(ctx, env, t, d, msgType, data, scoped, opts)
	}
	reply, err := c.callUnder(ctx, env, by, t, d, msgType, data, scoped, opts)
	if err != nil && c.known.outdated(by, err) {
		return c.callUnlearnt(ctx, env, t, d, msgType, data, scoped, opts)
	}
	return reply, err
}

// callUnder is call where keys map to shards by m.
func (c *Client) callUnder(ctx context.Context, env *Envelope, by *mapping, t target, d transport.Delivery, msgType string, data []byte, scoped, opts []EnvelopeOption) ([]byte, error) {
	t = t.under(by)
	if err := c.newEnvelope(env, t, by, d, msgType, data, scoped, opts); err != nil {
		return nil, err
	}
	hasten(ctx, env)
	if c.calls != nil && d == transport.AwaitReply {
		defer c.observe(c.begin(t.kind, msgType))
	}
	ctx, cancel, byDefault := c.bounded(ctx, env)
	if cancel != nil {
		defer cancel()
	}
	c.handOn(ctx, env)
	first := by.called.add(t.shard)
	reply, err := c.opts.Transport.Request(ctx, *env)
	if err != nil {
		hasten(ctx, env) // the end may have begun meanwhile
		if c.patience(err, first) > 0 && !waitedFor(ctx, uint32(env.Shard), err) {
			reply, err = c.again(ctx, by, *env, err, first)
		}
		err = ended(ctx, err, byDefault)
	}
	return reply, err
}

// hasten has a notification acknowledged that is sent as its sender's shard ends: the
// shard that it is for might end first.
func hasten(ctx context.Context, env *Envelope) {
	if env.Delivery == transport.AwaitNothing && dispatch.AtAnEnd(ctx) {
		env.Delivery = transport.AwaitAccept
	}
}

// bounded gives a call without a deadline the default one. A request carries it
// as its TTL, at which the library's transports end the wait without a timer of
// the client's; a notification outlives its sender, so only the wait for the ack
// is bounded.
func (c *Client) bounded(ctx context.Context, env *Envelope) (_ context.Context, cancel context.CancelFunc, byDefault bool) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, nil, false
	}
	wait := DefaultRequestTimeout
	switch env.Delivery {
	case transport.AwaitReply:
		if byDefault = env.TTLMs == 0; byDefault {
			env.TTLMs = DefaultRequestTimeout.Milliseconds()
		} else {
			wait = env.TTL() + ttlGrace
		}
		if c.keepsTTL {
			return ctx, nil, byDefault
		}
	case transport.AwaitNothing:
		return ctx, nil, false
	}
	ctx, cancel = context.WithTimeout(ctx, wait)
	return ctx, cancel, byDefault
}

// patience is for how long a call that fails with err is tried again; 0 is not at
// all.
func (c *Client) patience(err error, first bool) time.Duration {
	if !transport.OutcomeOf(err).NeverRan() {
		return 0
	}
	err = outer(err)
	if errors.Is(err, ErrCircle) {
		return 0 // it would be the same circle
	}
	for _, e := range c.retry {
		if errors.Is(err, e) {
			return math.MaxInt64 // its deadline ends it
		}
	}
	if first && errors.Is(err, ErrTransportNoShardSubscriber) {
		return firstLook
	}
	if _, hinted := transport.RetryAfter(err); hinted && errors.Is(err, ErrUnknownKind) {
		return kindLook // a deploy goes on: another member hosts it
	}
	return 0
}

// waitedFor reports whether a shard that is handed over refuses a call of a handler
// or hook that it waits for itself: it would do so until that gives up.
func waitedFor(ctx context.Context, shard uint32, err error) bool {
	err = outer(err)
	return (errors.Is(err, ErrNotOwner) || errors.Is(err, ErrDraining) || errors.Is(err, ErrHandedBack)) && dispatch.WaitedFor(ctx, shard)
}

// outer is err without what is behind it: that an activation has failed for want
// of a connection, say, does not mean that this call has.
func outer(err error) error {
	e, ok := errors.AsType[*transport.Error](err)
	if !ok || len(e.Causes) == 0 {
		return err
	}
	c := *e
	c.Causes = nil
	return &c
}

// again tries until the call succeeds, may have run, or is out of time; then it
// returns the last refusal, which says why.
func (c *Client) again(ctx context.Context, by *mapping, env Envelope, err error, first bool) ([]byte, error) {
	began := time.Now()
	end := began.Add(DefaultRequestTimeout)
	ttl := end
	if env.TTLMs > 0 {
		ttl = began.Add(env.TTL())
		end = ttl
	}
	if d, ok := ctx.Deadline(); ok && d.Before(end) {
		end = d
	}
	env.Retry = transport.OutcomeOf(err) == NotStarted
	w := dispatch.BeginWait(ctx) // also from one try to the next
	w.For(ctx, env.Shard)
	defer w.EndWait(ctx)
	timer := time.NewTimer(0)
	defer timer.Stop()
	<-timer.C
	paused := time.Duration(0)
	for most := firstPause; ; most = min(2*most, mostPause) {
		pause := time.Duration(rand.Int64N(int64(most))) + time.Microsecond
		if hint, ok := transport.RetryAfter(err); ok {
			pause += hint
		}
		if time.Since(began) > layoutAgain && errors.Is(outer(err), ErrNotOwner) && c.known.look(ctx, by) {
			return nil, err // and its caller tries under the other mapping
		}
		patience, spent := c.patience(err, first), time.Since(began)
		if patience == firstLook && spent < firstMost {
			spent = paused
		}
		if left := patience - spent; left <= 0 || time.Until(end) <= pause {
			return nil, err
		} else if left < pause {
			pause = left // for a last look
		}
		paused += pause
		timer.Reset(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil, transport.ContextError(ctx.Err(), transport.OutcomeOf(err)).WithCause(err)
		}
		if env.TTLMs > 0 {
			env.TTLMs = max(1, time.Until(ttl).Milliseconds())
			env.Stamp()
		}
		reply, e := c.opts.Transport.Request(ctx, env)
		if e == nil {
			return reply, nil
		}
		err, env.Retry = e, env.Retry || transport.OutcomeOf(e) == NotStarted
	}
}

// ended names the end of the caller's own time as its context does: the TTL
// that carries it is not the caller's.
func ended(ctx context.Context, err error, byDefault bool) error {
	o := transport.OutcomeOf(err)
	if !errors.Is(outer(err), ErrEnvelopeExpired) || o == RanAndFailed { // a handler's error may be of another call's TTL
		return err
	}
	if cause := ctx.Err(); cause != nil {
		return transport.ContextError(cause, o)
	}
	if byDefault {
		return transport.ContextError(context.DeadlineExceeded, o)
	}
	return err
}

// done counts a call and gives its error the words of what was called.
func (c *Client) done(reply []byte, err error, env *Envelope) ([]byte, error) {
	if c.calls != nil {
		c.count(env, err)
	}
	if err != nil {
		return nil, transport.Annotate(err, operation(env))
	}
	return reply, nil
}

// operation says what a caller was doing: what it called, and where that was
// routed. Names are the caller's, of any length.
func operation(env *Envelope) string {
	verb := "request"
	if env.Delivery != transport.AwaitReply {
		verb = "notify"
	}
	switch msgType := env.Type; {
	case len(msgType) > 64:
		verb = fmt.Sprintf("%s %q... (%d bytes)", verb, msgType[:64], len(msgType))
	case msgType != "":
		verb += " " + msgType
	}
	if env.Key == "" {
		return fmt.Sprintf("%s to shard %d", verb, env.Shard)
	}
	key := fmt.Sprintf("%q", env.Key)
	if len(env.Key) > 64 {
		key = fmt.Sprintf("%q... (%d bytes)", env.Key[:64], len(env.Key))
	}
	if env.Kind != "" {
		verb = fmt.Sprintf("%s to %.64q key %s", verb, env.Kind, key)
	} else {
		verb = fmt.Sprintf("%s to key %s", verb, key)
	}
	if env.NumShards == 0 {
		return verb // nobody has said how many shards there are
	}
	return fmt.Sprintf("%s (shard %d)", verb, env.Shard)
}
