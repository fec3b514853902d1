// Receivers of calls, and the transports that know them

package dispatch

import (
	"context"

	"github.com/clstr-go/clstr/transport"
)

// SharedSubscription is implemented by subscriptions that know of others of their shard.
type SharedSubscription interface {
	// Shared reports whether another subscription serves the shard too, in the same
	// epoch, as far as the transport knows: a key may then live twice.
	Shared() bool
}

// Receiver is the asynchronous form of a handler: it takes calls over and
// answers them later. Hosts of per-key actors are receivers, because a queue
// per key keeps the order of what arrives only if it is filled in that order.
type Receiver interface {
	// Accept takes c over. It must not block, and must see to it that c is
	// answered: c.Refuse, or c.Start followed by c.Reply and c.End. Calls of one
	// subscription are accepted one at a time, in the order in which they came
	// from each sender.
	Accept(c *Call)
}

// Subscriber is what is told of a subscription's calls.
type Subscriber struct {
	Receiver
	Gate     Gate     // may be nil: what has arrived is served
	Observer Observer // may be nil
}

// ReceiverTransport is implemented by transports that can hand calls to a
// [Receiver]. On other transports a node serves receivers through a
// [transport.HandlerFunc], which costs the order of notifications without an ack.
type ReceiverTransport interface {
	transport.ServerTransport
	// Subscribe is SubscribeShard for a receiver.
	Subscribe(ctx context.Context, shardID uint32, to Subscriber) (transport.Subscription, error)
}
