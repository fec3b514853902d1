// What nodes of this library use of the transport, beyond what transports promise

package natstransport

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport/internal/serving"
)

type backend struct{ *Transport }

var (
	_ dispatch.Backend = backend{}
	_ dispatch.Hearer  = backend{}
)

// Heard implements [dispatch.Hearer].
func (t backend) Heard() (n uint64, known bool) { return t.link.Heard() }

// AskItself implements [dispatch.Hearer].
func (t backend) AskItself(again bool) { t.link.AskItself(again) }

// Refused implements [dispatch.Hearer].
func (t backend) Refused() error { return t.link.Refused(&t.ears.node) }

// Dispatcher implements [dispatch.Backend].
func (t backend) Dispatcher() *dispatch.Dispatcher { return t.d }

// Subscribe implements [dispatch.Backend]. The first shard opens the door. A further one costs no round trip: with a
// membership the new owner is announced, and with a fixed list nothing is sent.
func (t backend) Subscribe(ctx context.Context, shardID uint32, to dispatch.Subscriber) (*dispatch.Sub, error) {
	if err := ctx.Err(); err != nil {
		return nil, outcome.ContextError(err, outcome.NotSent)
	}
	s := t.table.New(shardID, to.Epoch(), dispatch.LifetimeFrom(ctx))
	to.Link = s
	var err error
	if s.Sub, err = t.d.Subscribe(ctx, to); err != nil {
		return nil, err
	}
	if err = t.table.Enter(s); err == nil {
		err = t.door.open(ctx, s.Epoch == 0)
	}
	if err != nil {
		t.table.Remove(s)
		return nil, errors.Join(err, s.Unsubscribe())
	}
	if s.Epoch != 0 {
		if t.owners.Get(shardID) != nil { // callers here have asked for it
			t.owners.Learn(shardID, wire.Owner{Epoch: s.Epoch, Node: t.node}, true)
		}
		t.owners.announce(&wire.Owners{First: shardID, Owners: []wire.Owner{{Epoch: s.Epoch, Node: t.node}}})
	}
	return s.Sub, nil
}

// ServeOwners implements [dispatch.Backend].
func (t backend) ServeOwners(ctx context.Context, dir dispatch.Owners) (transport.Subscription, error) {
	s := &ownersSub{t.Transport, serving.Records{Owners: dir}}
	t.directory.Use(&s.records, true)
	if err := t.link.Open(ctx, &t.ears.who); err != nil {
		t.directory.Use(&s.records, false)
		return nil, err
	}
	return s, nil
}

// Served implements [dispatch.Backend]. Nodes that start ask: the records of the
// cluster may have been lost, or restored from a backup.
func (t backend) Served(ctx context.Context) (epochs []uint64) {
	told, ok := t.owners.once(ctx, 0, func(told *wire.Owners) bool {
		return slices.ContainsFunc(told.Owners, func(o wire.Owner) bool { return o.Epoch > 0 })
	})
	for ok && told.NumShards <= wire.MaxShards {
		for _, o := range told.Owners {
			epochs = append(epochs, o.Epoch)
		}
		first := uint32(len(epochs))
		if first >= told.NumShards {
			break
		}
		told, ok = t.owners.once(ctx, first, func(told *wire.Owners) bool { return told.First == first && len(told.Owners) > 0 })
	}
	return epochs
}

// Address implements [dispatch.Backend].
func (t backend) Address() string { return t.node }

// Linger implements [dispatch.Backend]: in a cluster of NATS servers, some servers do not
// know yet that the subscription of a node that leaves has gone, and messages that they send to it are lost
// silently.
func (t backend) Linger() time.Duration {
	if t.link.Conn().ConnectedClusterName() == "" {
		return 0
	}
	return 2 * time.Second
}
