// Command quickstart hosts a thousand keys on live nodes around a NATS server, all
// in this process. Under load a node joins, one drains and one dies; it shows who
// hosts what, how long callers waited, and that no acknowledged request was lost:
//
//	go run ./examples/quickstart
//
// It takes less than ten seconds, and ends with an error if the sums are wrong.
// internal/show has the server, the callers and their books.
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

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/examples/quickstart/internal/show"
	"github.com/clstr-go/clstr/membership/natsstore"
	"github.com/clstr-go/clstr/transport/natstransport"
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

// start starts a node on connections of its own, as in a process of its own, and returns
// when it has joined the others and serves its part of the shards.
func start(ctx context.Context, url, id string, db *show.Books) (*show.Node, error) {
	store, err := natsstore.Open(ctx, natsstore.Options{URL: url, Name: id}) // its lease, and who owns which shard
	if err != nil {
		return nil, err
	}
	nc, err := nats.Connect(url, nats.Name(id))
	if err != nil {
		store.Close()
		return nil, err
	}
	cut := func() { store.Close(); nc.Close() }
	tr, err := natstransport.Open(ctx, natstransport.Options{Conn: nc}) // or URL, where it need not be cut
	if err != nil {
		cut()
		return nil, err
	}
	def := actor.Define("counter", func(string) *Counter { return &Counter{node: id, db: db} },
		actor.OnActivate((*Counter).load), actor.OnRequest((*Counter).Add))
	leave, err := cluster.NewNode(cluster.NodeOptions{
		NodeID: id, Transport: tr, NumShards: 64, Membership: store, Timing: show.Timing, Metrics: db,
		Handler: cluster.NewActorHandler(def.New), StopTimeout: 5 * time.Second,
	}).Start(ctx)
	if err != nil {
		cut()
		return nil, errors.Join(err, tr.Close())
	}
	stop := func() error { defer cut(); return errors.Join(leave(), tr.Close()) }
	return &show.Node{Stop: stop, Kill: func() { cut(); _ = stop() }}, nil // one that is cut off can hand nothing over
}

// run starts the server and a client, has the nodes play, and ends what it has started.
func run(ctx context.Context, out io.Writer) (err error) {
	url, stop, err := show.StartNATS()
	if err != nil {
		return err
	}
	defer stop()
	tr, err := natstransport.Open(ctx, natstransport.Options{URL: url, Name: "client"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tr.Close()) }()
	client, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: 64})
	if err != nil {
		return err
	}
	db := show.New(func(ctx context.Context, key string, request int) (string, error) {
		reply, err := cluster.NewRequest[Add, Added](client.Key(key)).Request(ctx, Add{request})
		if err != nil {
			return "", err
		}
		return reply.Node, nil
	})
	return db.Play(ctx, out, func(ctx context.Context, id string) (*show.Node, error) { return start(ctx, url, id, db) })
}

func main() {
	slog.SetLogLoggerLevel(slog.LevelError + 1) // that a node dies is no news here
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}
