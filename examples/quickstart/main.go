// Command quickstart hosts a thousand keys on live nodes around a NATS server, all
// in this process. Under load a node joins, one drains and one dies; it shows who
// hosts what, how long callers waited, and that no acknowledged request was lost:
//
//	go run ./examples/quickstart
//
// It takes about fifteen seconds, and ends with an error if the sums are wrong.
// This file tells the story, node.go has what lives at a key and the node around
// it, load.go the requests and what came of them.
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

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/transport/natstransport"
)

func main() {
	slog.SetLogLoggerLevel(slog.LevelError + 1) // that a node dies is no news here
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

// run starts the server, three nodes and a client, tells the story, and ends what
// it has started.
func run(ctx context.Context, out io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "quickstart-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: dir, NoLog: true, NoSigs: true})
	if err != nil {
		return err
	}
	defer s.WaitForShutdown()
	defer s.Shutdown()
	if s.Start(); !s.ReadyForConnections(5 * time.Second) {
		return errors.New("the NATS server does not take connections")
	}
	l := &load{ended: map[int]error{}, counts: map[string]int{}, runs: map[int]int{}}
	var nodes []*node
	join := func(ids ...string) error {
		for _, id := range ids {
			n, err := start(ctx, s.ClientURL(), id, l)
			if err != nil {
				return fmt.Errorf("%s: %w", id, err)
			}
			nodes = append(nodes, n)
		}
		for _, n := range nodes {
			if err := n.serves(); err != nil {
				return err
			}
		}
		return nil
	}
	defer func() {
		for _, n := range nodes {
			err = errors.Join(err, n.leave())
		}
	}()
	tr, err := natstransport.New(natstransport.Options{URL: s.ClientURL()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tr.Close()) }()
	if l.client, err = cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: shards}); err != nil {
		return err
	}

	if err := join("node-1", "node-2", "node-3"); err != nil {
		return err
	}
	l.forget() // how the three have come together is not the story
	began := time.Now()
	l.burst(ctx, 10*keys)
	fmt.Fprintf(out, "%d requests to %d keys from %d callers: %.0f a second\n\n%s", 10*keys, keys, callers, 10*keys/time.Since(began).Seconds(), title)
	failed := l.stage(ctx, out, "three nodes")

	stop := l.goOn(ctx)
	defer stop()
	if err := join("node-4"); err != nil {
		return err
	}
	failed += l.stage(ctx, out, "node-4 joins")
	if err := nodes[0].leave(); err != nil {
		return err
	}
	failed += l.stage(ctx, out, "node-1 drains")
	nodes[1].kill()
	l.burst(ctx, keys) // until every key has answered
	stop()             // and who gets no answer has given up
	l.stage(ctx, out, "node-2 dies")

	fmt.Fprintf(out, story, timing.Lease)
	if failed > 0 {
		return fmt.Errorf("%d requests failed before a node died", failed)
	}
	return l.sums(out)
}

const story = `
Who joins or drains moves shards one by one: pause is the longest for which nobody
served one of them. Those of a dead node wait for the end of its lease, %v here and
10 s by default, as max shows. This one died as far as that goes in a process that
lives on: its connections were cut, so that it could hand nothing over and answer
nobody. go test ./internal/chaos kills real processes.

`
