// Command quickstart hosts a thousand keys on three nodes around a NATS server,
// all in this process, sends them ten thousand requests, and shows who served
// what and how fast:
//
//	go run ./examples/quickstart
//
// It ends by itself, with an error if a request failed or the sums are wrong.
// This file has what lives at a key and the cluster around it, load.go the
// requests and the table.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/transport/natstransport"
)

const shards = 64 // that the nodes share out

var nodeIDs = []string{"node-1", "node-2", "node-3"}

// Place is what lives at a key. Its methods run one at a time, so that it needs
// no lock.
type Place struct {
	node  string
	count int
}

// Visit is the request, and Visited the reply: where the key lives, and how many
// requests it has had.
type Visit struct{}

type Visited struct {
	Node  string
	Count int
}

func (p *Place) Visit(*actor.Context, Visit) (Visited, error) {
	p.count++
	return Visited{p.node, p.count}, nil
}

func main() {
	slog.SetLogLoggerLevel(slog.LevelWarn) // that nodes come and go is no news here
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

// run starts the server, the nodes and a client, sends the requests, and ends
// what it has started.
func run(ctx context.Context, stdout io.Writer) (err error) {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true})
	if err != nil {
		return err
	}
	defer s.WaitForShutdown()
	defer s.Shutdown()
	if s.Start(); !s.ReadyForConnections(5 * time.Second) {
		return errors.New("the NATS server does not take connections")
	}
	for _, id := range nodeIDs {
		leave, e := join(s.ClientURL(), id)
		if e != nil {
			return fmt.Errorf("%s: %w", id, e)
		}
		defer func() { err = errors.Join(err, leave()) }()
	}
	tr, err := natstransport.New(natstransport.Options{URL: s.ClientURL()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tr.Close()) }()
	client, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: shards})
	if err != nil {
		return err
	}
	return load(ctx, client, stdout)
}

// join starts a node on a connection of its own. leave drains it: what it has
// accepted comes to its end.
func join(url, id string) (leave func() error, err error) {
	tr, err := natstransport.New(natstransport.Options{URL: url})
	if err != nil {
		return nil, err
	}
	place := actor.Define("place", func(string) *Place { return &Place{node: id} }, actor.OnRequest((*Place).Visit))
	node := cluster.NewNode(cluster.NodeOptions{
		NodeID: id, Transport: tr, NumShards: shards, Shards: cluster.ShardsForNode(id, nodeIDs, shards, ""),
		Handler: cluster.NewActorHandler(place.New),
	})
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
