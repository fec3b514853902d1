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
)

// Backend returns what nodes of this library use.
func (t *Transport) Backend() dispatch.Backend { return backend{t, &t.hearing} }

type backend struct {
	*Transport
	*hearing
}

var _ dispatch.Backend = backend{}

// Dispatcher implements [dispatch.Backend].
func (t backend) Dispatcher() *dispatch.Dispatcher { return t.d }

// Subscribe implements [dispatch.Backend].
func (t backend) Subscribe(ctx context.Context, shardID uint32, to dispatch.Subscriber) (*dispatch.Sub, error) {
	s := &subscription{t: t.Transport, shard: shardID, epoch: to.Epoch(), life: dispatch.LifetimeFrom(ctx)}
	to.Link = s
	var err error
	if s.Sub, err = t.d.Subscribe(ctx, to); err != nil {
		return nil, err
	}
	before := t.refusals()
	if err := t.subscribe(s); err != nil {
		return nil, errors.Join(notSent(err), s.Unsubscribe())
	}
	if err := t.subscribed(ctx, before, &s.denied); err != nil {
		return nil, errors.Join(err, s.Unsubscribe())
	}
	if s.epoch != 0 {
		t.announce(shardID, s.epoch)
	}
	return s.Sub, nil
}

// ServeOwners implements [dispatch.Backend].
func (t backend) ServeOwners(ctx context.Context, dir dispatch.Owners) (transport.Subscription, error) {
	s := &ownersSub{t: t.Transport, dir: dir}
	before := t.refusals()
	t.mu.Lock()
	if t.closed.Load() {
		t.mu.Unlock()
		return nil, outcome.Errorf(outcome.ErrTransportClosed, "owners")
	}
	var err error
	if s.nats, err = t.nc.ChanQueueSubscribe(t.opts.Prefix+".who", "who", t.in); err == nil {
		t.asked[s.nats] = s
	}
	t.mu.Unlock()
	if err != nil {
		return nil, notSent(err)
	}
	if err := t.subscribed(ctx, before, &s.denied); err != nil {
		return nil, errors.Join(err, s.Unsubscribe())
	}
	return s, nil
}

// Served implements [dispatch.Backend]. Nodes that start ask: the records of the
// cluster may have been lost, or restored from a backup.
func (t backend) Served(ctx context.Context) (epochs []uint64) {
	told, ok := t.askNodes(ctx, 0, func(told *wire.Owners) bool { return slices.Max(append(told.Epochs, 0)) > 0 })
	for ok && told.NumShards <= maxShards {
		epochs = append(epochs, told.Epochs...)
		first := uint32(len(epochs))
		if first >= told.NumShards {
			break
		}
		told, ok = t.askNodes(ctx, first, func(told *wire.Owners) bool { return told.First == first && len(told.Epochs) > 0 })
	}
	return epochs
}

// Linger implements [dispatch.Backend]: in a cluster of NATS servers, some servers do not
// know yet that a subscription has gone, and messages that they send to it are lost silently.
func (t backend) Linger() time.Duration {
	if t.nc.ConnectedClusterName() == "" {
		return 0
	}
	return 2 * time.Second
}
