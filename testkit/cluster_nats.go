// The network over NATS

package testkit

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/membership/natsstore"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

var _ endpoint = (*natsNode)(nil)

// newNetwork makes what the options ask for.
func newNetwork(t testing.TB, o ClusterOptions) (network, error) {
	if o.Transport == Memory {
		return newMemNetwork(o.Limits, o.Log), nil
	}
	n := &natsNetwork{url: o.NATSURL, log: o.Log}
	switch {
	case n.url == "" && o.Live:
		n.url = StartNATSServer(t, &server.Options{JetStream: true, StoreDir: t.TempDir()}).URL()
	case n.url == "":
		n.url = StartNATS(t)
	}
	prefix := o.Prefix
	if prefix == "" {
		prefix = "testkit." + rand.Text()
	}
	n.opts = natstransport.Options{
		Prefix:                prefix,
		Log:                   o.Log,
		MaxConcurrentHandlers: o.Limits.MaxConcurrentHandlers,
		HandlerTimeout:        o.Limits.HandlerTimeout,
		MaxPending:            o.Limits.MaxPending,
	}
	n.natsOpts = append([]nats.Option{
		nats.MaxReconnects(-1),
		nats.ReconnectWait(10 * time.Millisecond), // tests have no time
		nats.ReconnectJitter(0, 0),
		nats.ErrorHandler(n.asyncError),
	}, o.NATSOptions...)
	var err error
	n.clients, err = n.connect("clients")
	return n, err
}

// natsNetwork is a NATS server with a connection for each node and one for all
// clients.
type natsNetwork struct {
	url      string
	log      *slog.Logger
	opts     natstransport.Options
	natsOpts []nats.Option
	clients  *natsNode
}

func (n *natsNetwork) asyncError(_ *nats.Conn, _ *nats.Subscription, err error) {
	n.log.Warn("NATS reports an error", slog.Any("error", err))
}

func (n *natsNetwork) client() transport.ClientTransport { return n.clients }

// close ends the clients' connection if the transport was not closed, by a Wrap that
// does not close it.
func (n *natsNetwork) close() { n.clients.nc.Close() }

// members implements network.
func (n *natsNetwork) members() (membership.Store, func(), error) {
	ctx, cancel := context.WithTimeout(context.Background(), natsReady)
	defer cancel()
	s, err := natsstore.Open(ctx, natsstore.Options{URL: n.url, NATSOptions: n.natsOpts, Prefix: n.opts.Prefix, Memory: true, Log: n.log})
	if err != nil {
		return nil, nil, err
	}
	return s, func() { s.Close() }, nil
}

func (n *natsNetwork) join(id string) (endpoint, error) { return n.connect(id) }

func (n *natsNetwork) connect(name string) (*natsNode, error) {
	nc, err := nats.Connect(n.url, append([]nats.Option{nats.Name(name)}, n.natsOpts...)...)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", n.url, err)
	}
	node := &natsNode{net: n, nc: nc, probe: nc.NewInbox()}
	if _, err = nc.Subscribe(node.probe, func(*nats.Msg) {}); err == nil {
		opts := n.opts
		opts.Conn = nc
		node.Transport, err = natstransport.Open(context.Background(), opts)
	}
	if err != nil {
		nc.Close()
		return nil, err
	}
	return node, nil
}

// natsNode is one end's transport, on a connection that can be cut.
type natsNode struct {
	*natstransport.Transport
	net   *natsNetwork
	nc    *nats.Conn
	probe string // a subject that has interest as long as the server knows nc
}

// Close implements transport.ServerTransport.
func (n *natsNode) Close() error {
	err := n.Transport.Close()
	n.nc.Close()
	return err
}

// forgetWait bounds the wait for the server to notice that a connection is gone.
const forgetWait = 5 * time.Second

// cut implements endpoint. The server takes a moment to see the end of the connection,
// and then forgets all its subscriptions at once.
func (n *natsNode) cut() {
	n.nc.Close()
	ctx, cancel := context.WithTimeout(context.Background(), forgetWait)
	defer cancel()
	for ctx.Err() == nil {
		try, done := context.WithTimeout(ctx, 20*time.Millisecond)
		_, err := n.net.clients.nc.RequestWithContext(try, n.probe, nil)
		done()
		if !errors.Is(err, context.DeadlineExceeded) {
			return // no node listens, or the clients have no connection either
		}
	}
}
