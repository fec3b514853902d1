// Intercept: a func around each call of a client

package cluster

import (
	"context"
	"maps"
	"slices"

	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// Intercept is a func around each call of a client: around all tries of a request or a
// notification together. It runs on the caller's goroutine, and calls next, which sends the
// message and waits as the call does. It may call next again: that sends another
// message. Pass ctx, or a context derived from it, to next. The deadline of ctx is the
// call's.
//
// The error that Intercept returns is the call's. If Intercept has not called next, nothing
// was sent: NotSent. An Intercept that answers a request in the nodes' place, from a cache
// for example, calls [Outgoing.SetReply] and returns nil. If it returns nil for a request and has
// done neither, the caller gets [ErrReply].
type Intercept func(ctx context.Context, out *Outgoing, next func(context.Context) error) error

// ChainIntercept makes one Intercept of several. The first is the outermost. Nil ones are
// left out. If no other is left, ChainIntercept returns nil.
func ChainIntercept(intercepts ...Intercept) Intercept {
	var all Intercept
	for i := len(intercepts) - 1; i >= 0; i-- {
		first, rest := intercepts[i], all
		switch {
		case first == nil:
		case rest == nil:
			all = first
		default:
			all = func(ctx context.Context, out *Outgoing, next func(context.Context) error) error {
				return first(ctx, out, func(ctx context.Context) error { return rest(ctx, out, next) })
			}
		}
	}
	return all
}

// Outgoing is a message that a client is about to send, as an [Intercept] sees it. Use it
// only on the goroutine that Intercept runs on.
type Outgoing struct {
	env    *Envelope
	own    bool              // its headers are not an option's
	handed map[string]string // its headers, and those that are handed on
	known  Outcome           // of all calls of next together; Succeeded: there was none
	reply  []byte
	given  bool  // the reply is Intercept's
	err    error // of the last next
}

// Type returns the message's type.
func (o *Outgoing) Type() string { return o.env.Type }

// Kind returns the kind that the message is for; empty if the call names none.
func (o *Outgoing) Kind() string { return o.env.Kind }

// Key returns the key that the message is for; empty if it goes to a shard.
func (o *Outgoing) Key() string { return o.env.Key }

// ID returns the message's ID ([WithID], [Once]), empty if it has none. All calls of next have
// the same ID.
func (o *Outgoing) ID() string { return o.env.ID }

// AwaitsReply is false for a notification.
func (o *Outgoing) AwaitsReply() bool { return o.env.Delivery == transport.AwaitReply }

// Codec names how Data and the reply are encoded, unless they are protobuf messages; empty for JSON.
func (o *Outgoing) Codec() string { return o.env.Codec }

// Data returns the message's bytes. They must not be changed.
func (o *Outgoing) Data() []byte { return o.env.Data }

// Header returns a header of the message, including one that the sending handler hands on
// from its own call.
func (o *Outgoing) Header(name string) (value string, ok bool) {
	if value, ok = o.env.Headers[name]; !ok {
		value, ok = o.handed[name]
	}
	return value, ok
}

// SetHeader sets a header, before next is called.
func (o *Outgoing) SetHeader(name, value string) {
	if !o.own {
		o.own = true
		if o.env.Headers = maps.Clone(o.env.Headers); o.env.Headers == nil {
			o.env.Headers = map[string]string{}
		}
	}
	o.env.Headers[name] = value
}

// Reply returns the reply, once next has returned nil. The bytes must not be changed.
func (o *Outgoing) Reply() (data []byte, ok bool) {
	return o.reply, o.given || o.sent() && o.err == nil
}

// SetReply answers the request with data, in place of what next has brought or without it.
// A typed request decodes data as it would decode a handler's reply.
func (o *Outgoing) SetReply(data []byte) { o.reply, o.given = data, true }

func (o *Outgoing) sent() bool { return o.known != Succeeded }

// intercepted is call with the client's Intercept around it.
func (c *caller) intercepted(ctx context.Context, env *Envelope, of *message, opts []EnvelopeOption) ([]byte, error) {
	m := *of // for the heap, as below
	m.first, m.shown = true, true
	var draft Envelope
	c.envelopes.draft(&draft, &m, opts)
	draft.Shard, draft.Kind, draft.Key, draft.Type, draft.Codec, draft.Data = int(m.to.shard), m.to.kind, m.to.key, m.typ, m.codec, m.data
	sent := draft // env is its caller's, and not for the heap
	c.envelopes.handOn(ctx, &sent)
	o := &Outgoing{env: &draft, handed: sent.Headers} // handed on once more below: what Intercept adds goes first
	m.scoped = slices.Concat(m.scoped, opts, []EnvelopeOption{func(e *Envelope) { e.Headers = draft.Headers }})
	err := c.intercept(ctx, o, func(ctx context.Context) error {
		o.reply, o.err = c.call(ctx, &sent, &m, nil)
		o.given = false
		o.known = worse(o.known, o.ofCall(o.err))
		return o.err
	})
	*env = sent
	if e, ok := err.(*Error); ok && e == nil {
		err = nil
	}
	if err == nil && o.AwaitsReply() && !o.sent() && !o.given {
		err = outcome.Errorf(ErrReply, "the Intercept has returned nil, and has neither called next nor set a reply")
	}
	if err != nil {
		return nil, o.failed(err)
	}
	return o.reply, nil
}

// ofCall is what is known about a call if its Intercept fails.
func (o *Outgoing) ofCall(err error) Outcome {
	switch {
	case err != nil:
		return OutcomeOf(err)
	case o.AwaitsReply():
		return RanAndFailed
	default: // a notification was accepted
		return MaybeRan
	}
}

// worse is what is known about two calls together.
func worse(a, b Outcome) Outcome {
	if a == MaybeRan || b == MaybeRan {
		return MaybeRan
	}
	return max(a, b)
}

// failed is the error of Intercept, with what is known about the calls. It may be the error of
// another call, or of the last of several.
func (o *Outgoing) failed(err error) error {
	return withOutcome(err, max(o.known, NotSent))
}
