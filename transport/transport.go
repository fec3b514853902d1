// The interfaces: ClientTransport, ServerTransport, Subscription, Receiver

package transport

import "context"

// HandlerFunc is the callback for processing incoming shard messages. It owns the envelope,
// and may keep nothing of ctx once it has returned. It may be called concurrently. Messages
// from one sender to one key arrive in order: notifications one after the other, and a
// request after the notifications before it. The transport copies the returned slice before
// the next use of it.
type HandlerFunc = func(ctx context.Context, env Envelope) ([]byte, error)

// Transport combines client and server transport capabilities.
type Transport interface {
	ClientTransport
	ServerTransport
}

// ClientTransport is the interface for sending messages to the cluster.
type ClientTransport interface {
	// Request sends env and waits for what env.Delivery names: the handler's reply, the
	// owner's acceptance, or nothing. It never waits past ctx, and it returns at once if no
	// node serves the shard ([outcome.ErrTransportNoShardSubscriber]). Every error is an
	// [*outcome.Error] with a code and an outcome. The reply belongs to the caller.
	Request(ctx context.Context, env Envelope) ([]byte, error)

	// Close releases transport resources. It is idempotent, ends the calls that
	// still wait with [ErrTransportClosed], and returns when all that the
	// transport started has ended.
	Close() error
}

// ServerTransport is the interface for receiving messages from the cluster.
type ServerTransport interface {
	// SubscribeShard registers a handler for messages to the shard. When it returns,
	// requests to the shard find the handler. ctx bounds the wait for that, not the
	// subscription. A shard should have one owner. With two subscribers the transport picks
	// one of them for each message, and nothing keeps a key from being active in both.
	SubscribeShard(ctx context.Context, shardID uint32, h HandlerFunc) (Subscription, error)

	// Close releases transport resources and stops all subscriptions as
	// Unsubscribe does.
	Close() error
}

// ConnectionTransport is implemented by transports that reach each other through a
// server. A node asks it for its health, and ends when the connection has.
type ConnectionTransport interface {
	// Connected reports whether requests can come and go at this moment. It must not
	// block.
	Connected() bool
	// Broken returns a channel that is closed when the connection has ended for good
	// although the transport was not closed: nothing is sent or received any more, and
	// every request fails with [ErrTransportClosed]. The transport reports the reason
	// to the lifetimes of its subscriptions ([Lifetime.Report]).
	Broken() <-chan struct{}
}

// LayoutTransport is implemented by transports whose clients can learn from the nodes
// of a live cluster how keys map to shards.
type LayoutTransport interface {
	// Layout asks any node how keys map to shards: the seed, and the number of
	// shards. It returns when one has answered, or after a second at most, with
	// [ErrTransportNoShardSubscriber], NotSent.
	Layout(ctx context.Context) (numShards uint32, seed string, err error)
}

// Subscription represents an active shard subscription.
type Subscription interface {
	// Unsubscribe stops receiving messages for the shard: new ones are refused,
	// handlers that have started run to their end (at most to their deadline).
	// It is idempotent and returns when they have ended.
	Unsubscribe() error
}
