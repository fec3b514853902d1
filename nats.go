// NATS: the processes of a service around a NATS server

package clstr

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/natsdial"
	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/membership/natsstore"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/state/natsstate"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// NATS returns a network around NATS servers with JetStream. Commas separate the URLs of several
// servers. A process with entities has two connections, which are named after its node:
// one carries calls, and one keeps the records of members and shards. A client has only the
// first. A process with durable entities has a third, for their states, and so has one that
// has called [Watch]. opts hold for all: credentials, TLS. If each connection has a user of its own, as
// package membership/natsstore recommends, set the options of each in the result:
//
//	on := clstr.NATS(url, nats.RootCAs("ca.pem"))
//	on.Transport.NATSOptions = append(on.Transport.NATSOptions, nats.UserCredentials("data.creds"), nats.CustomInboxPrefix("_INBOX.data"))
//	on.Store.NATSOptions = append(on.Store.NATSOptions, nats.UserCredentials("control.creds"))
//	on.State.NATSOptions = append(on.State.NATSOptions, nats.UserCredentials("state.creds"))
func NATS(url string, opts ...nats.Option) NATSOptions {
	return NATSOptions{
		Transport: natstransport.Options{URL: url, NATSOptions: opts[:len(opts):len(opts)]},
		Store:     natsstore.Options{URL: url, NATSOptions: opts[:len(opts):len(opts)]},
		State:     natsstate.Options{URL: url, NATSOptions: opts[:len(opts):len(opts)]},
	}
}

// NATSOptions is the [Network] that [NATS] makes: the options of the connections. Open sets
// the names, the prefixes and the logs.
type NATSOptions struct {
	Transport natstransport.Options
	Store     natsstore.Options
	State     natsstate.Options
}

// Join implements [Network].
func (o NATSOptions) Join(ctx context.Context, m Member) (link Link, err error) {
	switch {
	case o.Transport.Prefix != "" || o.Store.Prefix != "" || o.State.Prefix != "":
		return link, outcome.Errorf(outcome.ErrBadOption, "NATS: the prefixes are the service's name, which Open sets")
	case o.Transport.Name != "" || o.Store.Name != "" || o.State.Name != "":
		return link, outcome.Errorf(outcome.ErrBadOption, "NATS: the connections' names are Node.NodeID's, which Open sets")
	}
	o.Transport.Prefix, o.Store.Prefix, o.State.Prefix = m.Service, m.Service, m.Service
	o.Store.Name, o.State.Name = m.Node, m.Node
	if o.Transport.Conn == nil {
		o.Transport.Name = m.Node
	}
	if o.Transport.Log == nil {
		o.Transport.Log = m.Log
	}
	if o.Store.Log == nil {
		o.Store.Log = m.Log
	}
	if o.State.Log == nil {
		o.State.Log = m.Log
	}
	var closes []func() error // the last first
	link.Close = func() (err error) {
		for _, c := range slices.Backward(closes) {
			err = errors.Join(err, c())
		}
		return err
	}
	failed := func(err error) (Link, error) { return Link{}, errors.Join(err, link.Close()) }
	if m.Hosts {
		store, err := natsstore.Open(ctx, o.Store)
		if err != nil {
			return failed(err)
		}
		link.Store, closes = store, append(closes, store.Close)
	}
	if m.Durable {
		store, err := natsstate.Open(ctx, o.State)
		if err != nil {
			return failed(err)
		}
		link.State, closes = store, append(closes, store.Close)
	} else {
		store := newWatched(o.State)
		link.State, closes = store, append(closes, store.Close)
	}
	tr, err := connect(ctx, o.Transport)
	if err != nil {
		return failed(err)
	}
	link.Transport, closes = tr, append(closes, tr.Close)
	return link, nil
}

// connect waits for a server until ctx ends.
func connect(ctx context.Context, opts natstransport.Options) (tr *natstransport.Transport, err error) {
	log := sparse.New(opts.Log)
	wait := natsdial.Wait{
		For:  "NATS",
		Mend: func(error) bool { return false }, // beside outcome.ErrDisconnected
		Say:  func(err error) { log.Warn("waiting for NATS", slog.Any("error", err)) },
	}
	err = wait.Until(ctx, func(ctx context.Context, _ time.Duration) (err error) {
		tr, err = natstransport.Open(ctx, opts)
		return err
	})
	return tr, err
}
