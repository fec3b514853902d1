// Receivers of calls, and the transports that know them

package dispatch

import (
	"context"
	"time"

	"github.com/clstr-go/clstr/internal/standing"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// Receiver is the asynchronous form of a handler: it takes calls over and
// answers them later. Hosts of per-key actors are receivers, because a queue
// of a key keeps the order of arrival only if it is filled in that order.
type Receiver interface {
	// Accept takes c over. It must not block, and must see to it that c is
	// answered: c.Refuse, or c.Start followed by c.Reply and c.End. Calls of one
	// subscription are accepted one at a time, in the order in which they came
	// from each sender.
	Accept(c *Call)
}

// Subscriber says where a subscription's calls go.
type Subscriber struct {
	Receiver
	Meter    Meter              // may be nil
	Standing *standing.Standing // what the shard admits, and in which epoch; nil for a fixed list
	Link     Link               // set by the transport; may be nil
}

// Epoch is the epoch of the shard's owner; 0 for a fixed list.
func (s Subscriber) Epoch() uint64 {
	if s.Standing == nil {
		return 0
	}
	return s.Standing.Epoch
}

// Link is a transport's part of a subscription.
type Link interface {
	// Leave ends it: when it returns, every message that the transport has taken for the subscription
	// has been dispatched. [Sub.Unsubscribe] calls it first.
	Leave() error
	// Shared reports whether another subscription serves the shard too, in the same
	// epoch, as far as the transport knows: a key may then live twice.
	Shared() bool
}

// Backend is what nodes use of a transport of this library: it hands calls to a [Receiver], and
// knows owners in epochs. On other transports a node serves through a [transport.HandlerFunc], with a
// fixed list of shards. There, notifications without an ack have no order.
type Backend interface {
	// Dispatcher returns the dispatcher of all subscriptions.
	Dispatcher() *Dispatcher
	// Subscribe is SubscribeShard for a receiver. Each owner of a shard subscribes in its
	// epoch, and requests go to the owner in the highest epoch that the sender knows of.
	Subscribe(ctx context.Context, shardID uint32, to Subscriber) (*Sub, error)
	// ServeOwners answers clients that ask which node owns which shard, or how keys map to shards,
	// from o, until Unsubscribe.
	ServeOwners(ctx context.Context, o Owners) (transport.Subscription, error)
	// Served asks other nodes in which epochs they know shards to be owned, and returns
	// the first answer that has any, by shard. If no node has one, it returns nil after
	// a second at most, and at once if all nodes are in this process.
	Served(ctx context.Context) (epochs []uint64)
	// Address is where this transport's nodes are reached. Nodes tell clients the address of a
	// shard's owner. The incarnation of a node begins with it. It is empty if callers need
	// none.
	Address() string
	// Linger is how long a node that has handed its shards over goes on. Meanwhile the transport refuses the requests of
	// callers that do not know of the move yet. It must not block.
	Linger() time.Duration
}

// BackendOf returns the backend of a transport of this library, or of one that embeds such a
// transport; nil for any other.
func BackendOf(t any) Backend {
	if t, ok := t.(interface{ Backend() Backend }); ok {
		return t.Backend()
	}
	return nil
}

// SubscribeShard is [transport.ServerTransport]'s, for a transport with a backend.
func SubscribeShard(ctx context.Context, b Backend, shardID uint32, h transport.HandlerFunc) (transport.Subscription, error) {
	if h == nil {
		return nil, outcome.Errorf(outcome.ErrBadOption, "shard %d: the handler is nil", shardID)
	}
	sub, err := b.Subscribe(ctx, shardID, Subscriber{Receiver: b.Dispatcher().ReceiverFunc(h)})
	if err != nil {
		return nil, err
	}
	return sub, nil
}

// DispatcherOf returns the dispatcher of a transport's backend; nil if it has none.
func DispatcherOf(t any) *Dispatcher {
	if b := BackendOf(t); b != nil {
		return b.Dispatcher()
	}
	return nil
}

// Owner is the node that owns a shard.
type Owner struct {
	Epoch   uint64 // 0: no node has ever owned the shard
	Address string // [Backend].Address of the node's transport; empty for no node
}

// Owners tells which nodes own shards, as far as is known.
type Owners interface {
	// Owners returns the owners of at most most shards from first on, and how many shards
	// there are. It must not block.
	Owners(first uint32, most int) (owners []Owner, numShards uint32)
	// Version returns a number that changes when what Owners returns has changed. It
	// must not block.
	Version() uint64
	// Seed returns the seed by which the cluster hashes keys. It must not block.
	Seed() string
}
