// Faults before transports

package testkit

import (
	"context"
	"sync"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

var (
	_ transport.Transport           = (*faultyTransport)(nil)
	_ transport.ConnectionTransport = (*faultyTransport)(nil)
	_ dispatch.Backend              = faultyBackend{}
)

// Client puts the faults in front of a client's transport. It fits ClusterOptions.Wrap.
// Closing the result ends the calls that wait for something lost, and closes tr.
func (f *Faults) Client(tr transport.ClientTransport) transport.ClientTransport { return f.wrap(tr) }

// Transport puts the faults in front of a transport that serves clients and nodes.
// Requests meet the faults, subscriptions fail while their shard is cut off, and
// messages that reach a handler are left alone. Closing the result does what it does
// with [Faults.Client].
func (f *Faults) Transport(tr transport.Transport) transport.Transport {
	return &faultyTransport{f.wrap(tr), tr}
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
		return outcome.Errorf(outcome.ErrDisconnected, "shard %d is cut off by the test", shard)
	}
	return nil
}

// Backend is that of a transport of this library, with the faults in front: the node behind it
// works as in production. It is nil for any other transport.
func (t *faultyTransport) Backend() dispatch.Backend {
	if b := dispatch.BackendOf(t.server); b != nil {
		return faultyBackend{b, t}
	}
	return nil
}

type faultyBackend struct {
	dispatch.Backend
	t *faultyTransport
}

// Subscribe implements dispatch.Backend.
func (b faultyBackend) Subscribe(ctx context.Context, shard uint32, to dispatch.Subscriber) (*dispatch.Sub, error) {
	if err := b.t.reachable(shard); err != nil {
		return nil, err
	}
	return b.Backend.Subscribe(ctx, shard, to)
}
