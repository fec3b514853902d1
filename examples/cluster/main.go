// Command cluster is a node as one deploys it: a process that joins the others by
// itself, takes its part of the keys, and hands it over at SIGTERM. Counters by name
// are behind HTTP at any of the nodes; README.md says how to run three of them.
//
// This file has the process, counter.go what lives at a key and its HTTP front.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/cluster/prommetrics"
	"github.com/clstr-go/clstr/membership/natsstore"
	"github.com/clstr-go/clstr/transport/natstransport"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stdout, nil)))
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		slog.Error("the node has failed", slog.Any("error", err))
		os.Exit(1)
	}
}

// settings are flags, and variables of the environment: CLSTR_NAME is -name.
type settings struct {
	name, nats, control, data, state string
	ca, cert, key                    string
	prefix, http, probe              string
	shards                           uint
	linger                           time.Duration
}

func newFlags(o *settings) *flag.FlagSet {
	f := flag.NewFlagSet("cluster", flag.ContinueOnError)
	hostname, _ := os.Hostname()
	hostname, _, _ = strings.Cut(hostname, ".") // a node's name has no dots
	f.StringVar(&o.name, "name", hostname, "the node's name, unique among the nodes that run: letters, digits, - and _")
	f.StringVar(&o.nats, "nats", "nats://127.0.0.1:4222", "NATS servers, separated by commas")
	f.StringVar(&o.control, "control", "", "the user that joins: name:password, or the path of a credentials file")
	f.StringVar(&o.data, "data", "", "the same for the user that carries requests")
	f.StringVar(&o.state, "state", "", "the same for the user that keeps the counters")
	f.StringVar(&o.ca, "ca", "", "file with the CA certificates of the NATS servers, if the system does not have them")
	f.StringVar(&o.cert, "cert", "", "file with this node's certificate, for servers that verify their clients")
	f.StringVar(&o.key, "key", "", "file with the key of -cert")
	f.StringVar(&o.prefix, "prefix", "clstr", "what the cluster's subjects begin with")
	f.UintVar(&o.shards, "shards", 256, "into how many shards keys are hashed: alike on all nodes, and for good")
	f.StringVar(&o.http, "http", ":8080", "address of the HTTP front")
	f.DurationVar(&o.linger, "linger", 5*time.Second, "how long the front goes on at the end, until balancers have seen that it is not ready")
	f.StringVar(&o.probe, "probe", "", "only ask this URL, and fail if it does not answer 200: a health check without a shell")
	return f
}

// run is a node from its start to the end of its hand-over, which ctx asks for.
func run(ctx context.Context, args []string) (err error) {
	var o settings
	f := newFlags(&o)
	f.VisitAll(func(fl *flag.Flag) { // the environment, where passwords belong; flags are stronger
		env := "CLSTR_" + strings.ToUpper(fl.Name)
		if v := os.Getenv(env); v != "" && fl.Value.Set(v) != nil {
			err = errors.Join(err, fmt.Errorf("%s cannot be %q", env, v))
		}
	})
	if err = cmp.Or(err, f.Parse(args)); err != nil {
		return err
	}
	if o.probe != "" {
		return ask(ctx, o.probe)
	}
	if (o.cert == "") != (o.key == "") {
		return errors.New("-cert and -key go together")
	}
	starting := true
	defer func() {
		if starting && ctx.Err() != nil {
			err = nil // asked to end before there was a node: what ctx has cut short is no failure
		}
	}()

	// Three connections of three users: the one that carries requests cannot take a shard.
	store, err := natsstore.Open(ctx, natsstore.Options{URL: o.nats, Name: o.name, NATSOptions: o.as(o.control), Prefix: o.prefix})
	if err != nil {
		return err
	}
	defer store.Close()
	tr, err := natstransport.Open(ctx, natstransport.Options{URL: o.nats, Name: o.name, Prefix: o.prefix,
		NATSOptions: append(o.as(o.data), nats.CustomInboxPrefix("_INBOX.data"))}) // nats.conf: others may not listen there
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tr.Close()) }()
	nc, err := nats.Connect(o.nats, append(o.as(o.state), nats.Name(o.name+" counters"), nats.CustomInboxPrefix("counters.in"))...)
	if err != nil {
		return fmt.Errorf("connecting for the counters: %w", err)
	}
	defer nc.Close()
	values, err := openCounters(ctx, nc)
	if err != nil {
		return fmt.Errorf("opening the counters: %w", err)
	}

	registry := prometheus.NewRegistry()
	metrics := prommetrics.NewClusterMetrics(registry)
	prommetrics.RegisterTransport(registry, tr)
	node := cluster.NewNode(cluster.NodeOptions{
		NodeID: o.name, Transport: tr, Membership: store, NumShards: uint32(o.shards), Metrics: metrics,
		Kinds: map[string]cluster.ServerHandlerFunc{"counter": cluster.NewActorHandler(counters(values).New)},
	})
	client, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: uint32(o.shards), Metrics: metrics})
	if err != nil {
		return err
	}

	front := http.NewServeMux()
	front.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	front.Handle("GET /livez", node.HealthHandler())  // the process lives
	front.Handle("GET /readyz", node.HealthHandler()) // the node serves; the body says why not
	front.HandleFunc("POST /counters/{key}", add(client))
	listener, err := net.Listen("tcp", o.http)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: front, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }() // ends at Shutdown
	slog.Info("listens", slog.String("node", o.name), slog.String("address", listener.Addr().String()))

	// At SIGTERM, or when an operator drains it, the node hands its shards over, one by
	// one: callers see a pause. The front goes on meanwhile, and for a while after, and
	// asks counters wherever they are now.
	starting = false
	err = node.Run(ctx)
	if err == nil || ctx.Err() != nil {
		time.Sleep(o.linger)
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	defer cancel()
	return errors.Join(err, server.Shutdown(ending))
}

// as is how to connect as a user.
func (o settings) as(user string) []nats.Option {
	always := []nats.Option{nats.MaxReconnects(-1), nats.ReconnectWait(250 * time.Millisecond)}
	if o.ca != "" {
		always = append(always, nats.RootCAs(o.ca))
	}
	if o.cert != "" {
		always = append(always, nats.ClientCert(o.cert, o.key))
	}
	switch name, password, ok := strings.Cut(user, ":"); {
	case user == "":
		return always
	case ok:
		return append(always, nats.UserInfo(name, password))
	}
	return append(always, nats.UserCredentials(user))
}

// ask is a health check.
func ask(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return errors.New(res.Status)
	}
	return nil
}
