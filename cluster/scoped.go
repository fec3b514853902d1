package cluster

import (
	"context"

	"github.com/clstr-go/clstr/internal/codec"
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

// Request sends a request to the scoped key or shard and waits for the
// response. The payload is encoded as protobuf if it is a proto.Message and as
// JSON otherwise, and the message type is derived from the payload's: what its
// MessageType method says, a protobuf message's full name, or the bare name of
// the Go type.
func (c *ScopedClient) Request(ctx context.Context, payload any, opts ...EnvelopeOption) ([]byte, error) {
	msgType, data, err := c.encode(payload, transport.AwaitReply)
	if err != nil {
		return nil, err
	}
	return c.RequestRaw(ctx, msgType, data, opts...)
}

// Notify sends a fire-and-forget message to the scoped key or shard. It returns
// when the owner has accepted it, and never waits for the handler.
func (c *ScopedClient) Notify(ctx context.Context, msg any, opts ...EnvelopeOption) error {
	msgType, data, err := c.encode(msg, transport.AwaitAccept)
	if err != nil {
		return err
	}
	return c.NotifyRaw(ctx, msgType, data, opts...)
}

// RequestRaw sends a request with a payload that is encoded already, under an
// explicit message type, and returns the reply as it came. data may be reused
// when it returns.
func (c *ScopedClient) RequestRaw(ctx context.Context, msgType string, data []byte, opts ...EnvelopeOption) ([]byte, error) {
	return c.client.send(ctx, c.target, transport.AwaitReply, msgType, data, c.opts, opts)
}

// NotifyRaw is [ScopedClient.Notify] for a payload that is encoded already.
func (c *ScopedClient) NotifyRaw(ctx context.Context, msgType string, data []byte, opts ...EnvelopeOption) error {
	_, err := c.client.send(ctx, c.target, transport.AwaitAccept, msgType, data, c.opts, opts)
	return err
}

// GetNodeInfo queries the node that owns this shard for its metadata.
func (c *ScopedClient) GetNodeInfo(ctx context.Context) (res *GetNodeInfoResponse, err error) {
	return decoded[GetNodeInfoResponse](ctx, c, MsgClusterNodeInfo, nil, nil)
}

func (c *ScopedClient) request(ctx context.Context, msgType string, data []byte, opts []EnvelopeOption) ([]byte, Envelope, *Client, error) {
	reply, env, err := c.client.call(ctx, c.target, transport.AwaitReply, msgType, data, c.opts, opts)
	return reply, env, c.client, err
}

func (c *ScopedClient) encode(payload any, d transport.Delivery) (msgType string, data []byte, err error) {
	msgType, err = codec.Name(payload)
	if err == nil {
		data, err = codec.Marshal(payload)
	}
	if err != nil {
		env := &Envelope{Delivery: d, Shard: int(c.target.shard), Key: c.target.key, Kind: c.target.kind, Type: msgType}
		_, err = c.client.done(nil, transport.Errorf(ErrEncode, "%T: %v", payload, err), env)
		return "", nil, err
	}
	return msgType, data, nil
}

// Requester is implemented by types that can send raw requests.
type Requester interface {
	encode(payload any, d transport.Delivery) (msgType string, data []byte, err error)
	// request also returns what was sent, and the client whose done ends the call.
	request(ctx context.Context, msgType string, data []byte, opts []EnvelopeOption) ([]byte, Envelope, *Client, error)
}

// Request is a typed request builder for making type-safe cluster requests. It
// is safe for concurrent use.
type Request[IN any, OUT any] struct {
	requester Requester
}

// NewRequest creates a typed request builder for the given requester. Use this
// for type-safe request/response patterns.
func NewRequest[IN any, OUT any](requester Requester) *Request[IN, OUT] {
	return &Request[IN, OUT]{requester}
}

// Request sends the payload and deserializes the response into *OUT, as
// protobuf if that is a proto.Message and as JSON otherwise. A reply that does
// not unmarshal gives [ErrReply]: the handler ran.
func (r *Request[IN, OUT]) Request(ctx context.Context, payload IN, opts ...EnvelopeOption) (out *OUT, err error) {
	if isNil(r.requester) {
		return nil, transport.Errorf(ErrBadOption, "request %T: NewRequest was given a nil Requester", payload)
	}
	msgType, data, err := r.requester.encode(payload, transport.AwaitReply)
	if err != nil {
		return nil, err
	}
	return decoded[OUT](ctx, r.requester, msgType, data, opts)
}

// decoded sends a request whose reply it decodes.
func decoded[OUT any](ctx context.Context, r Requester, msgType string, data []byte, opts []EnvelopeOption) (out *OUT, err error) {
	reply, env, client, err := r.request(ctx, msgType, data, opts)
	if err == nil {
		if out, err = codec.UnmarshalNew[OUT](reply); err != nil {
			err = transport.Errorf(ErrReply, "%d bytes into %T: %v", len(reply), out, err)
		}
	}
	if _, err = client.done(reply, err, &env); err != nil {
		return nil, err
	}
	return out, nil
}
