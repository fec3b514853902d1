// Client, KindClient

package cluster

import (
	"context"
	"slices"

	"github.com/clstr-go/clstr/internal/codec"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/sharding"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/transport"
)

// ClientOptions configures client creation.
type ClientOptions struct {
	// Transport is the underlying messaging transport (required).
	Transport ClientTransport
	// NumShards is the number of shards in the cluster, the same in all its clients and
	// nodes. With 0 the client asks the nodes of a live cluster for it and for Seed.
	// Until one has answered, calls wait inside their deadlines. It is required if
	// nodes list their shards ([NodeOptions].Shards), because such nodes do not answer,
	// and if the transport is no [transport.LayoutTransport].
	NumShards uint32
	// Seed is an optional string that changes how keys map to shards. It is the same in
	// all clients and nodes of a cluster.
	Seed string
	// EnvelopeOptions apply to all envelopes of the client, before the options of a
	// call.
	EnvelopeOptions []EnvelopeOption
	// Codec names the encoding of messages and replies that are not protobuf messages. Empty is JSON. This program
	// and the nodes' programs must link the codec, [github.com/clstr-go/clstr/cluster/cborcodec].Name for example.
	// Bytes that RequestRaw and NotifyRaw send must be in this codec. If a message's type has a method
	// MessageCodec() string, that chooses the codec instead.
	Codec string
	// Metrics instruments the client. If nil, nothing is measured.
	Metrics ClusterMetrics
	// RetryOn lists errors that are retried in addition to ErrNotOwner, ErrDraining,
	// ErrHandedBack and ErrDisconnected, for example ErrTransportNoShardSubscriber or
	// ErrOverloaded. A call is retried only if it certainly did not run or has an ID
	// ([WithID]), and only inside its deadline.
	RetryOn []error
	// StrictReplies refuses a reply with a field that the reply's Go type lacks:
	// [ErrReply]. It finds a [NewRequest] with a wrong reply type, which would otherwise
	// return a zero value without an error. It is for tests, and package testkit sets it.
	// In production the nodes may be a version ahead of their callers. In the process of its
	// nodes such a client encodes all messages, as over a network.
	StrictReplies bool
	// Intercept runs around each call. It sees the message and may add headers.
	// [ChainIntercept] makes one func of several. It may be nil.
	Intercept Intercept
	// Propagate names headers that go on from a call to the calls that its handler
	// makes with its context. traceparent, tracestate and baggage always go on. Names
	// are compared exactly. A header that a call sets itself wins.
	Propagate []string
	// NotifyWindow is how many notifications may be on their way while their senders go on
	// ([ScopedClient.NotifyAsync]). Beyond it senders wait. 0 = default (4,096), -1 = unlimited.
	// What handlers send counts apart, against a second window that is as large.
	NotifyWindow int
	// State is the store of the durable kinds, for [Watch] alone: a [state.Store] that
	// may read one key's record without a token is enough. It may be nil.
	State state.Store
}

func (o ClientOptions) validate() error {
	if isNil(o.Transport) {
		return outcome.Errorf(ErrBadOption, "Transport is required")
	}
	if err := o.validateLayout(); err != nil {
		return err
	}
	for i, opt := range o.EnvelopeOptions {
		if opt == nil {
			return outcome.Errorf(ErrBadOption, "EnvelopeOptions[%d] is nil", i)
		}
	}
	for i, err := range o.RetryOn {
		if err == nil {
			return outcome.Errorf(ErrBadOption, "RetryOn[%d] is nil", i)
		}
	}
	if o.NotifyWindow < -1 {
		return outcome.Errorf(ErrBadOption, "NotifyWindow %d: -1 (unlimited), 0 (default) or more", o.NotifyWindow)
	}
	if o.Codec != codec.JSON {
		if err := codec.Known(o.Codec); err != nil {
			return outcome.Errorf(ErrBadOption, "Codec: %v", err)
		}
	}
	return validatePropagate(o.Propagate)
}

func (o ClientOptions) validateLayout() error {
	if o.NumShards == 0 {
		_, asks := o.Transport.(transport.LayoutTransport)
		switch {
		case !asks:
			return outcome.Errorf(ErrBadOption, "NumShards is required: a %T cannot ask the nodes for it", o.Transport)
		case o.Seed != "":
			return outcome.Errorf(ErrBadOption, "Seed %.64q without NumShards: give both, or neither", o.Seed)
		}
		return nil
	}
	if err := (sharding.Layout{NumShards: o.NumShards, Seed: o.Seed}).Validate(); err != nil {
		return outcome.Errorf(ErrBadOption, "NumShards: %v", err)
	}
	return nil
}

// Client routes messages to cluster nodes based on shard assignment. Create via
// [NewClient]. It is safe for concurrent use. It needs no closing, but its
// transport does. It starts goroutines for [ScopedClient.NotifyAsync] only, and they end with its receipts.
//
// A context without a deadline gets one of 30 seconds. Every error is an [*Error];
// [OutcomeOf] says whether the work ran.
//
// A client's first call to a shard waits up to 250 ms for a node that is just starting,
// so a program may start a node and call it in the next line. On a machine that is too
// busy to start the node in that time, it waits up to 2 s. Every later call to the
// shard fails with [ErrTransportNoShardSubscriber] at once.
type Client struct {
	strict bool // replies
	caller *caller
	states state.Store // nil without
}

// NewClient creates a new cluster client with the given options. It returns
// [ErrBadOption] if a required option is missing or an option is out of range. It sends
// nothing.
func NewClient(opts ClientOptions) (*Client, error) {
	if err := opts.validate(); err != nil {
		return nil, err
	}
	if isNil(opts.State) {
		opts.State = nil
	}
	return &Client{opts.StrictReplies, newCaller(opts), opts.State}, nil
}

// target is what a message is for: a key, or a shard.
type target struct {
	shard uint32
	kind  string
	key   string
	byKey bool
	by    *mapping // what has given the key its shard; nil is nothing yet
}

func (c *Client) keyTarget(kind, key string) target {
	t := target{kind: kind, key: key, byKey: true}
	if by := c.caller.known.mapping.Load(); by != nil {
		t.shard, t.by = by.shard(key), by
	}
	return t
}

// under returns the target's shard if keys map to shards by m. m may be nil: then it is the shard that the target has.
func (t *target) under(m *mapping) uint32 {
	if t.byKey && m != nil && t.by != m {
		return m.shard(t.key)
	}
	return t.shard
}

// RequestKey sends a request to the shard of a key. It waits for the handler's reply, which
// belongs to the caller. data may be reused when RequestKey returns.
func (c *Client) RequestKey(ctx context.Context, key string, msgType string, data []byte, opts ...EnvelopeOption) ([]byte, error) {
	return c.caller.send(ctx, &message{to: c.keyTarget("", key), delivery: transport.AwaitReply, parcel: c.raw(msgType, data)}, opts)
}

// NotifyKey sends a notification to the shard of a key (e.g. tenantID, userID,
// deviceID). It returns when the owner has accepted the message, and does not wait for
// the handler. With [WithoutAck] it returns at once.
func (c *Client) NotifyKey(ctx context.Context, key string, msgType string, data []byte, opts ...EnvelopeOption) error {
	_, err := c.caller.send(ctx, &message{to: c.keyTarget("", key), delivery: transport.AwaitAccept, parcel: c.raw(msgType, data)}, opts)
	return err
}

// RequestShard sends a request directly to a shard.
func (c *Client) RequestShard(ctx context.Context, shard uint32, msgType string, data []byte, opts ...EnvelopeOption) ([]byte, error) {
	return c.caller.send(ctx, &message{to: target{shard: shard}, delivery: transport.AwaitReply, parcel: c.raw(msgType, data)}, opts)
}

// NotifyShard publishes directly to a shard (caller already knows shard).
func (c *Client) NotifyShard(ctx context.Context, shard uint32, msgType string, data []byte, opts ...EnvelopeOption) error {
	_, err := c.caller.send(ctx, &message{to: target{shard: shard}, delivery: transport.AwaitAccept, parcel: c.raw(msgType, data)}, opts)
	return err
}

// Key returns a client for the given key (e.g. a user ID or tenant ID). It hashes the
// key once, if the client knows NumShards. An empty key is reported by the calls.
func (c *Client) Key(key string, opts ...EnvelopeOption) *ScopedClient {
	return &ScopedClient{client: c, target: c.keyTarget("", key), opts: slices.Clone(opts)}
}

// Shard returns a client scoped to a specific shard number. Use this when you
// already know the target shard. A shard out of range is reported by the calls.
func (c *Client) Shard(shard uint32, opts ...EnvelopeOption) *ScopedClient {
	return &ScopedClient{client: c, target: target{shard: shard}, opts: slices.Clone(opts)}
}

// Kind returns a client for the entities of one kind, in clusters whose nodes
// host several ([NodeOptions].Kinds). Equal keys of all kinds live in the same shard.
func (c *Client) Kind(kind string) *KindClient { return &KindClient{client: c, kind: kind} }

// KindClient is a client for the entities of one kind.
type KindClient struct {
	client *Client
	kind   string
}

// Key is [Client.Key] for a key of the kind.
func (k *KindClient) Key(key string, opts ...EnvelopeOption) *ScopedClient {
	return &ScopedClient{client: k.client, target: k.client.keyTarget(k.kind, key), opts: slices.Clone(opts)}
}
