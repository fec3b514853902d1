// Command quickstart hosts a thousand keys on live nodes around a NATS server, all
// in this process. Under load a node joins, one drains and one dies. It shows which node
// hosts how many keys, how long callers waited, and that no acknowledged request was lost:
//
//	go run ./examples/quickstart
//
// It takes less than ten seconds, and ends with an error if the sums are wrong.
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

// Counter is what lives at a key. Its methods run one at a time, so that it needs no lock.
type Counter struct {
	node  string
	db    *show.Books
	count int
}
type Add struct{ Request int }   // a request, by its number
type Added struct{ Node string } // the reply: where the key lives

func (c *Counter) load(ctx *actor.Context) error {
	c.count = c.db.Read(ctx.Key())
	return nil
}

func (c *Counter) Add(ctx *actor.Context, m Add) (Added, error) {
	if err := c.db.Write(ctx.Key(), c.count, m.Request); err != nil {
		return Added{}, err
	}
	c.count++
	return Added{c.node}, nil
}

// start opens the service on connections of its own, as in a process of its own, and
// returns when its node has joined the others and serves its part of the keys.
func start(ctx context.Context, url, id string, db *show.Books) (*show.Node, error) {
	wire := &show.Wire{}
	def := actor.Define("counter", func(string) *Counter { return &Counter{node: id, db: db} },
		actor.OnActivate((*Counter).load), actor.OnRequest((*Counter).Add))
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
		reply, err := clstr.Ask[Added](ctx, client.Kind("counter").Key(key), Add{request})
		return reply.Node, err
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
