// The way to a cluster: where it is, its records, a client of it

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/clstr-go/clstr/outcome"

	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/cmd/clstr/internal/drainer"
	"github.com/clstr-go/clstr/cmd/clstr/internal/natsctx"
	"github.com/clstr-go/clstr/cmd/clstr/internal/view"
	"github.com/clstr-go/clstr/membership/natsstore"
	"github.com/clstr-go/clstr/sharding"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// reach is how a command reaches its cluster. Flags and environment say where the
// cluster is, and which NATS user to be.
type reach struct {
	getenv  func(string) string
	nats    natsctx.Flags
	prefix  string
	timeout time.Duration

	// connect finds the cluster's records; tests prepare them.
	connect func(ctx context.Context) (*session, error)
}

// bounded returns a context that ends after --timeout.
func (r *reach) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, r.timeout)
}

// look opens a session, loads the records and closes the session.
func (r *reach) look(ctx context.Context) (*view.Cluster, error) {
	ctx, cancel := r.bounded(ctx)
	defer cancel()
	s, err := r.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer s.close()
	return view.Load(ctx, s.store)
}

// find returns how to connect to NATS.
func (r *reach) find() (natsctx.Context, []nats.Option, error) {
	c, err := natsctx.Find(r.nats, r.getenv)
	var options []nats.Option
	if err == nil {
		options, err = c.Options(r.getenv)
	}
	if err != nil {
		return c, nil, &failure{exit: exitUsage, code: "usage", msg: err.Error(), hint: "see clstr help connection"}
	}
	return c, append([]nats.Option{nats.Name("clstr command")}, options...), nil
}

// dial connects, or returns why it cannot.
func (r *reach) dial(ctx context.Context, c natsctx.Context, options []nats.Option) (*nats.Conn, error) {
	if end, ok := ctx.Deadline(); ok {
		options = append(options, nats.Timeout(max(time.Until(end), time.Millisecond)))
	}
	nc, err := nats.Connect(c.URL, options...)
	if err == nil {
		return nc, nil
	}
	at := redact(c.URL)
	if c.Name != "" {
		at += fmt.Sprintf(" (context %q)", c.Name)
	}
	if errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrAuthExpired) || errors.Is(err, nats.ErrAccountAuthExpired) || errors.Is(err, nats.ErrAuthRevoked) {
		return nil, &failure{exit: exitNotPermitted, code: "not_permitted", msg: fmt.Sprintf("the NATS server at %s does not let this user in: %v", at, err),
			hint: "give --context or --creds; see clstr help connection"}
	}
	return nil, &failure{exit: exitUnreachable, code: "unreachable", msg: fmt.Sprintf("no connection to a NATS server at %s: %v", at, err),
		hint: "say where it is by --server, --context or NATS_URL"}
}

// redact removes passwords from a message.
func redact(servers string) string {
	if at := strings.LastIndexByte(servers, '@'); at >= 0 {
		return "..." + servers[at:]
	}
	return servers
}

// client makes a client of the cluster, and a func that closes it.
func (r *reach) client(ctx context.Context, layout sharding.Layout) (client *cluster.Client, end func(), err error) {
	c, options, err := r.find()
	if err != nil {
		return nil, nil, err
	}
	quiet := nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}) // nats.go would print, and the transport reports it already
	nc, err := r.dial(ctx, c, append(options, nats.MaxReconnects(-1), quiet))
	if err != nil {
		return nil, nil, err
	}
	tr, err := natstransport.Open(ctx, natstransport.Options{Conn: nc, Prefix: r.prefix, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		nc.Close()
		return nil, nil, err
	}
	end = func() { _ = tr.Close(); nc.Close() } // what is left ends with the process
	client, err = cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: layout.NumShards, Seed: layout.Seed})
	if err != nil {
		end()
		return nil, nil, &failure{exit: exitUsage, code: "usage", msg: err.Error()}
	}
	return client, end, nil
}

// nodeNames completes the names of nodes.
func (r *reach) nodeNames(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	r.timeout = min(r.timeout, time.Second) // a person waits
	c, err := r.look(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []string
	for _, n := range c.Nodes {
		if !n.Final() && (len(names) == 0 || names[len(names)-1] != n.Name) {
			names = append(names, n.Name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// kindNames completes the first argument, a kind.
func (r *reach) kindNames(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 3 {
		return nil, cobra.ShellCompDirectiveDefault // perhaps a file
	}
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	r.timeout = min(r.timeout, time.Second)
	c, err := r.look(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return kindsOf(c), cobra.ShellCompDirectiveNoFileComp
}

// failed gives an error its exit code.
func (r *reach) failed(err error) *failure {
	var f *failure
	var unknown *view.UnknownNodeError
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &unknown):
		return &failure{exit: exitUnknownNode, code: "unknown_node", msg: err.Error()}
	case errors.Is(err, drainer.ErrGone):
		return &failure{exit: exitUnknownNode, code: "gone", msg: err.Error()}
	case errors.Is(err, view.ErrNoCluster):
		return r.noCluster("its bucket has no record of a cluster: no node has joined yet")
	case errors.Is(err, outcome.ErrNotPermitted):
		return &failure{exit: exitNotPermitted, code: "not_permitted", msg: err.Error(),
			hint: fmt.Sprintf("this NATS user may not do that. To read and write the records of a cluster it needs what natsstore.ControlPermissions(%q) lists. For requests it needs publish %s.n.> %s.who and subscribe %s.own _INBOX.NAME.>, with --inbox-prefix _INBOX.NAME (clstr help connection)", r.prefix, r.prefix, r.prefix, r.prefix)}
	case errors.Is(err, natsstore.ErrNoJetStream):
		return r.noCluster("JetStream is not enabled there")
	case errors.Is(err, context.Canceled):
		return &failure{exit: exitFailure, code: "interrupted", msg: "interrupted"}
	case errors.Is(err, outcome.ErrDisconnected), errors.Is(err, outcome.ErrConnectionLost), errors.Is(err, context.DeadlineExceeded):
		return &failure{exit: exitUnreachable, code: "unreachable", msg: err.Error(),
			hint: "say where the NATS server is by --server, --context or NATS_URL; --timeout waits longer"}
	}
	return &failure{exit: exitFailure, code: "failed", msg: err.Error()}
}

func (r *reach) noCluster(why string) *failure {
	return &failure{exit: exitNoCluster, code: "no_cluster", msg: fmt.Sprintf("no live cluster under the prefix %q: %s", r.prefix, why),
		hint: "nodes with a Membership make its records; --prefix names another cluster (the Name of a service of clstr.Open), --server and --context another server"}
}
