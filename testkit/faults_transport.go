// Faults before transports

package testkit

import (
	"context"
	"sync"
	"time"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/transport"
)

var (
	_ transport.Transport           = (*faultyTransport)(nil)
	_ transport.ConnectionTransport = (*faultyTransport)(nil)
	_ dispatch.ReceiverTransport    = (*faultyDirect)(nil)
	_ dispatch.Dispatched           = (*faultyDirect)(nil)
	_ dispatch.EpochTransport       = (*faultyEpochs)(nil)
	_ dispatch.OwnersTransport      = (*faultyEpochs)(nil)
)

// Client puts the faults in front of a client's transport. It fits ClusterOptions.Wrap.
// Closing the result ends the calls that wait for something lost, and closes tr.
func (f *Faults) Client(tr transport.ClientTransport) transport.ClientTransport { return f.wrap(tr) }

// Transport puts the faults in front of a transport that serves clients and nodes.
// Requests meet the faults, subscriptions fail while their shard is cut off, and
// messages that reach a handler are left alone. Closing the result does what it does
// with [Faults.Client].
func (f *Faults) Transport(tr transport.Transport) transport.Transport {
	t := &faultyTransport{f.wrap(tr), tr}
	direct, ok := tr.(directTransport)
	if !ok {
		return t
	}
	d := &faultyDirect{t, direct}
	if epochs, ok := tr.(dispatch.EpochTransport); ok {
		return &faultyEpochs{d, epochs}
	}
	return d
}

// faultyClient is the sending half.
type faultyClient struct {
	faults *Faults
	client transport.ClientTransport
	once   sync.Once
	closed chan struct{}
}

func (f *Faults) wrap(tr transport.ClientTransport) *faultyClient {
	return &faultyClient{faults: f, client: tr, closed: make(chan struct{})}
}

// Request implements transport.ClientTransport.
func (c *faultyClient) Request(ctx context.Context, env transport.Envelope) ([]byte, error) {
	return c.faults.request(ctx, c.client, env, c.closed)
}

// Close implements transport.ClientTransport.
func (c *faultyClient) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.client.Close()
}

// faultyTransport has both halves.
type faultyTransport struct {
	*faultyClient
	server transport.ServerTransport
}

// Connected implements transport.ConnectionTransport. A transport that does not say
// counts as connected.
func (t *faultyTransport) Connected() bool {
	c, ok := t.server.(transport.ConnectionTransport)
	return !ok || c.Connected()
}

// Broken implements transport.ConnectionTransport. A nil channel is never closed.
func (t *faultyTransport) Broken() <-chan struct{} {
	if c, ok := t.server.(transport.ConnectionTransport); ok {
		return c.Broken()
	}
	return nil
}

// SubscribeShard implements transport.ServerTransport.
func (t *faultyTransport) SubscribeShard(ctx context.Context, shard uint32, h transport.HandlerFunc) (transport.Subscription, error) {
	if err := t.reachable(shard); err != nil {
		return nil, err
	}
	return t.server.SubscribeShard(ctx, shard, h)
}

func (t *faultyTransport) reachable(shard uint32) error {
	if t.faults.partitioned(int(shard)) {
		return transport.Errorf(transport.ErrDisconnected, "shard %d is cut off by the test", shard)
	}
	return nil
}

// directTransport is a transport of this library: it hands calls to a node without a
// func between them, on goroutines that they share.
type directTransport interface {
	dispatch.ReceiverTransport
	dispatch.Dispatched
}

// faultyDirect stands in front of such a transport, so that the node behind it works as
// in production.
type faultyDirect struct {
	*faultyTransport
	directTransport
}

// Close implements transport.ClientTransport.
func (t *faultyDirect) Close() error { return t.faultyTransport.Close() }

// SubscribeShard implements transport.ServerTransport.
func (t *faultyDirect) SubscribeShard(ctx context.Context, shard uint32, h transport.HandlerFunc) (transport.Subscription, error) {
	return t.faultyTransport.SubscribeShard(ctx, shard, h)
}

// Subscribe implements dispatch.ReceiverTransport.
func (t *faultyDirect) Subscribe(ctx context.Context, shard uint32, to dispatch.Subscriber) (transport.Subscription, error) {
	if err := t.reachable(shard); err != nil {
		return nil, err
	}
	return t.directTransport.Subscribe(ctx, shard, to)
}

// faultyEpochs stands before a transport whose shards may change owners.
type faultyEpochs struct {
	*faultyDirect
	epochs dispatch.EpochTransport
}

// SubscribeEpoch implements dispatch.EpochTransport.
func (t *faultyEpochs) SubscribeEpoch(ctx context.Context, shard uint32, epoch uint64, to dispatch.Subscriber) (transport.Subscription, error) {
	if err := t.reachable(shard); err != nil {
		return nil, err
	}
	return t.epochs.SubscribeEpoch(ctx, shard, epoch, to)
}

// ServeOwners implements dispatch.OwnersTransport, if the transport behind does. The
// faults leave questions about owners alone.
func (t *faultyEpochs) ServeOwners(ctx context.Context, o dispatch.Owners) (transport.Subscription, error) {
	if owners, ok := t.epochs.(dispatch.OwnersTransport); ok {
		return owners.ServeOwners(ctx, o)
	}
	return noSubscription{}, nil
}

// Served implements dispatch.OwnersTransport.
func (t *faultyEpochs) Served(ctx context.Context) []uint64 {
	if owners, ok := t.epochs.(dispatch.OwnersTransport); ok {
		return owners.Served(ctx)
	}
	return nil
}

// Linger implements dispatch.OwnersTransport.
func (t *faultyEpochs) Linger() time.Duration {
	if owners, ok := t.epochs.(dispatch.OwnersTransport); ok {
		return owners.Linger()
	}
	return 0
}
