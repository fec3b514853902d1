// Command quickstart hosts a thousand keys on three nodes around a NATS server,
// all in this process, sends them ten thousand requests, and shows who served
// what and how fast:
//
//	go run ./examples/quickstart
//	go run ./examples/quickstart -nodes 5 -keys 20000 -requests 200000
//	go run ./examples/quickstart --json
//
// It ends by itself: with 0; with 1 if a request failed or the sums are wrong;
// with 2 for flags that cannot work. place.go has what lives at a key, this file
// the cluster, load.go the requests, flags.go and report.go what surrounds them.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/transport/natstransport"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// measure starts the server, the nodes and the client, sends the requests, and
// ends what it has started.
func measure(ctx context.Context, o options, stderr io.Writer) (r report, err error) {
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true})
	if err != nil {
		return r, err
	}
	defer s.WaitForShutdown()
	defer s.Shutdown()
	if s.Start(); !s.ReadyForConnections(5 * time.Second) {
		return r, errors.New("the NATS server does not take connections")
	}
	shards, ids := uint32(o.Shards), o.nodeIDs()
	for _, id := range ids {
		leave, e := join(s.ClientURL(), cluster.NodeOptions{
			NodeID:    id,
			NumShards: shards,
			Shards:    cluster.ShardsForNode(id, ids, shards, ""),
			Handler:   cluster.NewActorHandlerWithOpts(places(id).New, cluster.HandlerOptions{CacheSize: -1}), // nobody forgets its count
			Log:       log,
		})
		if e != nil {
			return r, fmt.Errorf("%s: %w", id, e)
		}
		defer func() { err = errors.Join(err, leave()) }()
	}
	tr, err := natstransport.New(natstransport.Options{URL: s.ClientURL(), Log: log})
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, tr.Close()) }()
	client, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: shards})
	if err != nil {
		return r, err
	}
	return load(ctx, client, o, stderr)
}

// join starts a node on a connection of its own. leave drains it: what it has
// accepted comes to its end.
func join(url string, opts cluster.NodeOptions) (leave func() error, err error) {
	tr, err := natstransport.New(natstransport.Options{URL: url, Log: opts.Log})
	if err != nil {
		return nil, err
	}
	opts.Transport = tr
	node := cluster.NewNode(opts)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- node.Run(ctx) }() // ends at cancel; leave waits
	leave = func() error {
		cancel()
		return errors.Join(<-ended, tr.Close())
	}
	select {
	case <-node.Ready():
		return leave, nil
	case err := <-ended:
		cancel()
		return nil, errors.Join(err, tr.Close())
	}
}
