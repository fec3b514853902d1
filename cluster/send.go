// A call: how it is sent, and how its error names it

package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/clstr-go/clstr/internal/codec"
	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/internal/turn"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/transport"
)

// caller sends the messages of a client.
type caller struct {
	transport ClientTransport
	carrier   dispatch.Carrier // the transport, if messages may go as values; nil if all are bytes
	prompt    bool             // the carrier bounds the wait for an acceptance
	intercept Intercept
	codec     string // of messages that choose none
	known     known
	envelopes envelopes
	meter     meter
	retries   retries
	poster    dispatch.Poster // the transport's, if it has one
	keeps     bool            // code of the application's may keep the bytes of a message
	window    window
	// keepsTTL: the transport is the library's, which ends the wait of a request
	// at its TTL. Others only know the context.
	keepsTTL bool
}

func newCaller(opts ClientOptions) *caller {
	m := measuring(opts.Metrics)
	c := &caller{
		transport: opts.Transport, intercept: opts.Intercept, codec: opts.Codec, keepsTTL: dispatch.BackendOf(opts.Transport) != nil,
		envelopes: envelopes{options: slices.Clone(opts.EnvelopeOptions), propagate: slices.Clone(opts.Propagate)},
		meter:     meter{m, callMetrics(m), sparse.New(nil)},
	}
	if s, ok := dispatch.BackendOf(opts.Transport).(dispatch.Sender); ok && s.Sends(opts.Transport) {
		c.poster, _ = s.(dispatch.Poster)
		if opts.Intercept == nil && !opts.StrictReplies && opts.Codec == codec.JSON { // these look at bytes, and copies are JSON's
			c.carrier, _ = s.(dispatch.Carrier)
			_, c.prompt = s.(dispatch.Prompt)
		}
	}
	c.keeps = c.poster == nil || opts.Intercept != nil
	c.envelopes.late = c.carrier != nil
	c.window.init(opts.NotifyWindow, c.poster)
	c.window.patient = slices.ContainsFunc(opts.RetryOn, func(e error) bool { return errors.Is(ErrOverloaded, e) })
	c.known.init(opts)
	c.retries = retries{c, &c.known, append([]error{ErrNotOwner, ErrDraining, ErrHandedBack, ErrDisconnected}, opts.RetryOn...)}
	return c
}

// send makes the envelope and sends it, and sends it again if nothing has run.
func (c *caller) send(ctx context.Context, m *message, opts []EnvelopeOption) ([]byte, error) {
	var env Envelope // here, and filled below: it is too large to be copied back at each step
	reply, err := c.call(ctx, &env, m, opts)
	return c.conclude(reply, err, &env)
}

// call is send without conclude, for callers that look at the reply first. It leaves the sent
// envelope in env.
//
// A caller that waits has the stack of its call below it, and returning through it costs more than what most of these
// funcs do. So call, callUnder and the transport are all that is there, and the rest is called and has returned
// by then.
func (c *caller) call(ctx context.Context, env *Envelope, m *message, opts []EnvelopeOption) ([]byte, error) {
	if !m.first && c.window.open.Load() != 0 && c.window.has(&m.to) {
		return callBehind(ctx, c, env, m, opts)
	}
	if c.intercept != nil && !m.shown {
		return c.intercepted(ctx, env, m, opts)
	}
	by := c.known.mapping.Load()
	if by != nil {
		reply, err := c.callUnder(ctx, env, m, opts, by)
		if err == nil {
			return reply, nil
		}
		if !c.known.outdated(by, err) {
			return nil, m.amended(err)
		}
	}
	reply, err := c.learnAndCall(ctx, env, m, opts)
	return reply, m.amended(err)
}

// learnAndCall is call for a client that does not know yet how keys map to shards.
func (c *caller) learnAndCall(ctx context.Context, env *Envelope, m *message, opts []EnvelopeOption) ([]byte, error) {
	m.sketch(env)
	if m.to.byKey && m.to.key == "" {
		return nil, outcome.Errorf(ErrKeyRequired, "message type %q", m.typ)
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, DefaultRequestTimeout)
		defer cancel()
	}
	by, err := c.known.learn(ctx)
	if err != nil {
		return nil, err
	}
	return c.callUnder(ctx, env, m, opts, by)
}

// callUnder is call with a mapping of keys to shards.
func (c *caller) callUnder(ctx context.Context, env *Envelope, m *message, opts []EnvelopeOption, by *mapping) (reply []byte, err error) {
	shard := m.to.under(by)
	if err := c.envelopes.newEnvelope(env, m, opts, shard, by); err != nil {
		return nil, err
	}
	inside := turn.Inside(ctx) // outside of turns nothing else of them is looked for
	if inside {
		hasten(ctx, env)
	}
	if c.meter.calls != nil && m.delivery == transport.AwaitReply {
		defer c.meter.observe(c.meter.begin(m.to.kind, m.typ))
	}
	ctx, cancel, byDefault := bounded(ctx, c, env, inside)
	if cancel != nil {
		defer cancel()
	}
	if inside {
		if err := awaitStored(ctx); err != nil {
			return nil, err
		}
		if env.Expired() {
			return nil, outcome.Errorf(ErrEnvelopeExpired, "TTL of %d ms", env.TTLMs).WithOutcome(NotSent)
		}
		c.envelopes.handOn(ctx, env)
	}
	first := by.called.add(shard)
	if c.carrier != nil { // as try
		reply, m.reply, err = c.carrier.Carry(ctx, *env, m.value, m.want, m.lends)
	} else {
		reply, err = c.transport.Request(ctx, *env)
	}
	if err != nil {
		return c.tryAgain(ctx, env, m, by, err, first, byDefault)
	}
	return reply, nil
}

// try sends a message once.
func (c *caller) try(ctx context.Context, env Envelope, m *message) (reply []byte, err error) {
	if c.carrier != nil {
		reply, m.reply, err = c.carrier.Carry(ctx, env, m.value, m.want, m.lends)
		return reply, err
	}
	return c.transport.Request(ctx, env)
}

// heard notes the error of a try. A method that has given the message back may have kept it, so the memory of a
// message that is sent again is not used again.
func (c *caller) heard(m *message, err error) {
	m.value = m.value.Kept()
	m.command.heard(err)
	if m.waitsFor(err) {
		c.window.shrink(m.line)
		c.window.stood(m.line)
	}
}

// tryAgain is called when a first try has failed with err. It sends the envelope again if nothing has run.
func (c *caller) tryAgain(ctx context.Context, env *Envelope, m *message, by *mapping, err error, first, byDefault bool) (reply []byte, _ error) {
	hasten(ctx, env) // the end may have begun meanwhile
	c.heard(m, err)
	if env.Delivery == transport.AwaitAccept && !dispatch.HasDeadline(ctx) { // the first try was bounded by itself, or was hastened
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, DefaultRequestTimeout)
		defer cancel()
	}
	if c.retries.patience(err, first, m) > 0 && !waitedFor(ctx, uint32(env.Shard), err) {
		reply, err = c.retries.again(ctx, by, *env, err, first, m)
	}
	return reply, ended(ctx, err, byDefault && env.TTL() < foreignGrace)
}

// awaitStored waits, in the turn of a durable entity, until all that the turn has found changed at
// its key is stored: nothing of a key leaves it before. The turn gives its place among running
// handlers away meanwhile.
func awaitStored(ctx context.Context) error {
	wait := turn.Unstored(ctx)
	if wait == nil {
		return nil
	}
	w := dispatch.BeginWait(ctx)
	err := wait(ctx)
	w.EndWait(ctx)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return outcome.ContextError(ctx.Err(), NotSent)
	case errors.Is(err, state.ErrDeposed):
		return outcome.Errorf(ErrDeposed, "an earlier turn of the calling key was undone: %v", err).WithOutcome(NotSent)
	}
	return outcome.Errorf(ErrNotStored, "an earlier turn of the calling key was undone: %v", err).WithOutcome(NotSent)
}

// hasten makes a notification wait for its acknowledgement if its sender's shard ends, because
// the shard that gets it might end first.
func hasten(ctx context.Context, env *Envelope) {
	if env.Delivery == transport.AwaitNothing && dispatch.AtAnEnd(ctx) {
		env.Delivery = transport.AwaitAccept
	}
}

// conclude counts a call, and adds to its error what was called.
func (c *caller) conclude(reply []byte, err error, env *Envelope) ([]byte, error) {
	if c.meter.calls != nil {
		c.meter.count(env, err)
	}
	if err != nil {
		return nil, outcome.Annotate(err, operation(env))
	}
	return reply, nil
}

// operation says what a caller was doing: what it called, and to which shard the call
// went. Names come from the caller and may have any length.
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
	switch {
	case env.Key == "" && env.Kind != "":
		return fmt.Sprintf("%s to %.64q (shard %d)", verb, env.Kind, env.Shard)
	case env.Key == "":
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
		return verb // no node has said how many shards there are
	}
	return fmt.Sprintf("%s (shard %d)", verb, env.Shard)
}
