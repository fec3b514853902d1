// ScopedClient, Request: names, encoding, decoding

package cluster

import (
	"context"
	"reflect"

	"github.com/clstr-go/clstr/internal/codec"
	"github.com/clstr-go/clstr/internal/plain"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// MsgClusterNodeInfo is the message type for querying node metadata.
const MsgClusterNodeInfo = "clstr.node.info"

// ScopedClient is a client bound to a specific shard or key, enabling fluent
// request/notify operations without repeatedly specifying either. It is
// immutable and safe for concurrent use.
type ScopedClient struct {
	client *Client
	target target
	opts   []EnvelopeOption
}

// Request sends a request to the scoped key or shard and waits for the response. The
// payload is encoded as protobuf if it is a proto.Message and as JSON otherwise, and the
// message type is derived from the payload's: what its MessageType method says, a protobuf
// message's full name, or the bare name of the Go type. If the payload has a method
// Validate() error, that is called first. A payload that Validate refuses, or that JSON
// would silently drop a part of, is not sent ([ErrInvalidMessage]).
func (c *ScopedClient) Request(ctx context.Context, payload any, opts ...EnvelopeOption) ([]byte, error) {
	p, err := packed(c, payload, transport.AwaitReply)
	if err != nil {
		return nil, err
	}
	reply, err := c.client.caller.send(ctx, &message{to: c.target, delivery: transport.AwaitReply, parcel: p, scoped: c.opts}, opts)
	p.room.Free()
	return reply, err
}

// Notify sends a fire-and-forget message to the scoped key or shard. It returns when the
// owner has accepted the message, and never waits for the handler. Payloads are as for
// [ScopedClient.Request].
func (c *ScopedClient) Notify(ctx context.Context, msg any, opts ...EnvelopeOption) error {
	p, err := packed(c, msg, transport.AwaitAccept)
	if err != nil {
		return err
	}
	_, err = c.client.caller.send(ctx, &message{to: c.target, delivery: transport.AwaitAccept, parcel: p, scoped: c.opts}, opts)
	p.room.Free()
	return err
}

// RequestRaw sends a request with a payload that is encoded already, under an explicit
// message type, and returns the reply as it came. data may be reused when RequestRaw
// returns.
func (c *ScopedClient) RequestRaw(ctx context.Context, msgType string, data []byte, opts ...EnvelopeOption) ([]byte, error) {
	return c.client.caller.send(ctx, &message{to: c.target, delivery: transport.AwaitReply, parcel: c.client.raw(msgType, data), scoped: c.opts}, opts)
}

// NotifyRaw is [ScopedClient.Notify] for a payload that is encoded already.
func (c *ScopedClient) NotifyRaw(ctx context.Context, msgType string, data []byte, opts ...EnvelopeOption) error {
	_, err := c.client.caller.send(ctx, &message{to: c.target, delivery: transport.AwaitAccept, parcel: c.client.raw(msgType, data), scoped: c.opts}, opts)
	return err
}

// NotifyAsync is [ScopedClient.Notify] for a sender that does not wait until the owner has accepted
// the message: it returns at once, with a receipt that will say so. It never returns nil, and all
// errors are the receipt's.
//
// What one sender sends to one key is handled in the order in which it was sent. Several notifications
// to a key may be on their way together. If one is refused, the client sends it and those behind it
// again, in order. One that fails for good does not keep back those behind it. Any other call of the
// client to the key waits for the notifications before it.
//
// What the key has no room for is sent again too, and the sender is slowed. If the notification's time is up before it ran, the
// receipt says what the client has waited for last, such as [ErrOverloaded]. In a handler the receipt says ErrOverloaded at once,
// unless [ClientOptions].RetryOn has it. So handlers never wait behind such notifications, and have a window of their own.
//
// At most [ClientOptions].NotifyWindow notifications of a client are on their way, with 16 MiB of
// messages, and a quarter of them to one key. Beyond that NotifyAsync waits for room until ctx ends. Afterwards ctx does not bound the
// notification, which has 30 seconds, or its TTL if that is less. In a stop hook NotifyAsync waits as Notify does. So it
// does in a turn that notifies a key of its own shard while the shard is handed over.
func (c *ScopedClient) NotifyAsync(ctx context.Context, msg any, opts ...EnvelopeOption) *Receipt {
	p, err := encoded(c, msg, transport.AwaitAccept)
	if err != nil {
		return receiptOf(err)
	}
	r := begin(ctx, c.client.caller, &message{to: c.target, delivery: transport.AwaitAccept, parcel: p, scoped: c.opts}, opts, p.room != nil)
	p.room.Free()
	return r
}

// NotifyRawAsync is [ScopedClient.NotifyAsync] for a payload that is encoded already. data may be
// reused when NotifyRawAsync returns.
func (c *ScopedClient) NotifyRawAsync(ctx context.Context, msgType string, data []byte, opts ...EnvelopeOption) *Receipt {
	return begin(ctx, c.client.caller, &message{to: c.target, delivery: transport.AwaitAccept, parcel: c.client.raw(msgType, data), scoped: c.opts}, opts, true)
}

// GetNodeInfo queries the node that owns this shard for its metadata.
func (c *ScopedClient) GetNodeInfo(ctx context.Context) (res *GetNodeInfoResponse, err error) {
	var env Envelope
	m := message{to: c.target, delivery: transport.AwaitReply, parcel: parcel{typ: MsgClusterNodeInfo}, scoped: c.opts}
	data, err := c.client.caller.call(ctx, &env, &m, nil)
	return decoded[GetNodeInfoResponse](c, &m, &env, data, err)
}

// carries reports whether a message would go as a value now.
func (c *ScopedClient) carries() bool {
	by := c.client.caller
	return by.carrier != nil && by.carrier.Takes(c.target.under(by.known.mapping.Load()))
}

// unsent ends a call that has failed before it had an envelope.
func (c *ScopedClient) unsent(msgType string, d transport.Delivery, err error) error {
	env := &Envelope{Delivery: d, Shard: int(c.target.shard), Key: c.target.key, Kind: c.target.kind, Type: msgType}
	if by := c.target.by; by != nil {
		env.NumShards = by.layout.NumShards
	}
	_, err = c.client.caller.conclude(nil, err, env)
	return err
}

func (c *ScopedClient) scoped() *ScopedClient { return c }

// unsendable makes the error of a payload that is not sent.
func unsendable(payload any, err error) *Error {
	if e, ok := err.(*codec.Invalid); ok {
		invalid := outcome.Errorf(ErrInvalidMessage, "%v", e)
		if e.Own {
			return invalid.Wrapping(e.Reason)
		}
		return invalid
	}
	return outcome.Errorf(ErrEncode, "%T: %s", payload, here(err))
}

// Requester is implemented by types that can send raw requests.
type Requester interface {
	scoped() *ScopedClient
}

// scopedOf returns the client that a requester is; nil for a requester that is nil.
func scopedOf(r Requester) *ScopedClient {
	if c, ok := r.(*ScopedClient); ok {
		return c
	}
	if isNil(r) {
		return nil
	}
	return r.scoped()
}

// Request is a typed request builder for making type-safe cluster requests. It
// is safe for concurrent use.
type Request[IN any, OUT any] struct {
	requester Requester
	fault     error // why an OUT cannot travel
}

// NewRequest creates a typed request builder for the given requester. Use this
// for type-safe request/response patterns.
func NewRequest[IN any, OUT any](requester Requester) *Request[IN, OUT] {
	return &Request[IN, OUT]{requester, faultOf[OUT]()}
}

// faultOf says why a type of replies cannot travel. It is a func of its own so that NewRequest is inlined:
// then a request that is made for one call is not allocated.
func faultOf[OUT any]() error { return codec.Check(reflect.TypeFor[OUT]()) }

// Request sends the payload and deserializes the response into *OUT, as protobuf if that is
// a proto.Message and as JSON otherwise. [ErrInvalidMessage] means that nothing was sent:
// the payload or an OUT would lose a part of itself on the way, or the payload's own
// Validate method refuses it. A reply that does not unmarshal gives [ErrReply]: the handler
// ran.
func (r *Request[IN, OUT]) Request(ctx context.Context, payload IN, opts ...EnvelopeOption) (out *OUT, err error) {
	c := scopedOf(r.requester)
	if c == nil {
		return nil, outcome.Errorf(ErrBadOption, "request %T: NewRequest was given a nil Requester", payload)
	}
	if r.fault != nil {
		return nil, c.unsent("", transport.AwaitReply, outcome.Errorf(ErrInvalidMessage, "the reply to a %T: %v", payload, r.fault))
	}
	var env Envelope
	m := message{to: c.target, delivery: transport.AwaitReply, scoped: c.opts}
	if m.parcel, err = packed(c, payload, transport.AwaitReply); err != nil {
		return nil, err
	}
	m.lends = codec.KeepsNothing(reflect.TypeFor[OUT]())
	if m.codec != codec.JSON {
		if err := codec.CheckAs(m.codec, reflect.TypeFor[OUT]()); err != nil {
			return nil, c.unsent(m.typ, transport.AwaitReply, outcome.Errorf(ErrInvalidMessage, "the reply to a %T: %v", payload, err))
		}
	} else if c.carries() {
		m.want = codec.Plain(reflect.TypeFor[OUT]())
	}
	data, err := c.client.caller.call(ctx, &env, &m, opts)
	m.room.Free()
	return decoded[OUT](c, &m, &env, data, err)
}

// decoded ends a call whose reply it decodes.
func decoded[OUT any](c *ScopedClient, m *message, env *Envelope, data []byte, err error) (out *OUT, _ error) {
	switch {
	case err != nil:
	case m.reply.Type() != nil:
		out = plain.Take[OUT](&m.reply)
	default:
		if out, err = codec.UnmarshalNew[OUT](m.codec, data); err != nil {
			err = unusable[OUT](data, err)
		} else if c.client.strict {
			err = strictly[OUT](&m.parcel, data)
		}
	}
	if _, err = c.client.caller.conclude(nil, err, env); err != nil {
		return nil, err
	}
	return out, nil
}

// strictly refuses a reply with a field that an OUT does not have.
func strictly[OUT any](p *parcel, reply []byte) error {
	field, err := codec.Unknown[OUT](p.codec, reply)
	switch {
	case err != nil:
		return unusable[OUT](reply, err)
	case field != "":
		return outcome.Errorf(ErrReply, "the reply to %s has the field %.64q, which a %v does not have: is that the right type for the reply to a %s?", p.typ, field, reflect.TypeFor[OUT](), p.typ)
	}
	return nil
}

// unusable is the error of a reply that does not decode.
func unusable[OUT any](reply []byte, err error) error {
	if len(reply) == 0 {
		return outcome.Errorf(ErrReply, "the reply is empty, as that of a notification's method (OnNotify) is: no %v", reflect.TypeFor[OUT]())
	}
	return outcome.Errorf(ErrReply, "%d bytes into %v: %s", len(reply), reflect.TypeFor[OUT](), here(err))
}

// here is the text of an error of package codec for its own process.
func here(err error) string {
	if p, ok := err.(*codec.Panic); ok {
		return p.Error() + " " + p.Where()
	}
	return err.Error()
}
