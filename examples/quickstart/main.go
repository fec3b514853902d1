// Command quickstart hosts a thousand keys on live nodes around a NATS server, all
// in this process. Under load a node joins, one drains and one dies. It shows which node
// hosts how many keys, how long callers waited, and what is stored: each request, once:
//
//	go run ./examples/quickstart
//
// It takes about ten seconds, and ends with an error if the sums are wrong.
// internal/show has the callers, their books, and a wire that can be cut.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/embed"
	"github.com/clstr-go/clstr/examples/quickstart/internal/show"
)

// Counter is what lives at a key. Its methods run one at a time, so that it needs no lock. Its
// exported fields are stored before each reply.
type Counter struct {
	node     string
	Requests []int // those that have run
}
type Add struct{ Request int }   // a request, by its number
type Added struct{ Node string } // the reply: where the key lives

func (c *Counter) Add(_ *actor.Context, m Add) (Added, error) {
	c.Requests = append(c.Requests, m.Request)
	return Added{c.node}, nil
}

// start opens the service on connections of its own, as in a process of its own, and
// returns when its node has joined the others and serves its part of the keys.
func start(ctx context.Context, url, id string, db *show.Books) (*show.Node, error) {
	wire := &show.Wire{}
	def := actor.Define("counter", func(string) *Counter { return &Counter{node: id} },
		actor.OnRequest((*Counter).Add), actor.Durable(actor.Persistence{}))
	svc, err := clstr.Open(ctx, clstr.Options{
		Name: "quickstart", On: clstr.NATS(url, nats.SetCustomDialer(wire), nats.NoReconnect()), // a plain clstr.NATS(url), where it need not die
		Entities: clstr.Host(def), Shards: 64, Metrics: db,
		Node: cluster.NodeOptions{NodeID: id, Timing: show.Timing, StopTimeout: 5 * time.Second},
	})
	if err != nil {
		return nil, err
	}
	stop := func() error { return svc.Close(context.WithoutCancel(ctx)) }
	return &show.Node{Stop: stop, Kill: func() { wire.Cut(); _ = stop() }}, nil // one that is cut off can hand nothing over
}

// run starts the server and a client, has the nodes play, and ends what it has started.
func run(ctx context.Context, out io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "quickstart-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	server := embed.New(embed.Options{Dir: dir, Listen: "127.0.0.1:0"})
	client, err := clstr.Open(ctx, clstr.Options{Name: "quickstart", On: server})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.Close(context.WithoutCancel(ctx))) }()
	db := show.New(func(ctx context.Context, key string, request int) (string, error) {
		reply, err := clstr.Ask[Added](ctx, client.Kind("counter").Key(key), Add{request}, cluster.Once())
		return reply.Node, err
	}, func(ctx context.Context, key string) ([]int, error) {
		for stored, err := range clstr.Watch[Counter](ctx, client.Kind("counter").Key(key)) {
			return stored.State.Requests, err
		}
		return nil, context.Cause(ctx)
	})
	return db.Play(ctx, out, func(ctx context.Context, id string) (*show.Node, error) { return start(ctx, server.URL(), id, db) })
}

func main() {
	slog.SetLogLoggerLevel(slog.LevelError + 1) // that a node dies is no news here
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}
