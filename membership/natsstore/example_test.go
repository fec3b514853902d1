package natsstore_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/membership/natsstore"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// embedded starts a server with JetStream in this process.
func embedded(users ...*server.User) (url string, stop func()) {
	dir, err := os.MkdirTemp("", "natsstore")
	if err != nil {
		panic(err)
	}
	srv, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, JetStream: true, StoreDir: dir, Users: users,
	})
	if err != nil {
		panic(err)
	}
	srv.Start()
	return srv.ClientURL(), func() {
		srv.Shutdown()
		srv.WaitForShutdown()
		_ = os.RemoveAll(dir)
	}
}

// A node that is a process of its own: its lease and its shards are records in
// NATS, and its requests come on another connection.
func Example() {
	url, shutdown := embedded()
	defer shutdown()
	ctx, quiet := context.Background(), slog.New(slog.DiscardHandler)

	store, err := natsstore.Open(ctx, natsstore.Options{URL: url, Log: quiet})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close()
	tr, err := natstransport.Open(ctx, natstransport.Options{URL: url, Log: quiet})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer tr.Close()
	stop, err := cluster.NewNode(cluster.NodeOptions{
		NodeID: "node-1", Transport: tr, NumShards: 16, Membership: store, Log: quiet,
		Handler: func(_ context.Context, env cluster.Envelope) ([]byte, error) {
			return fmt.Appendf(nil, "hello %s", env.Key), nil
		},
	}).Start(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: 16})
	if err != nil {
		fmt.Println(err)
		return
	}
	reply, err := client.RequestKey(ctx, "user-123", "Greet", nil)
	fmt.Println(string(reply), err)
	fmt.Println(stop())
	// Output:
	// hello user-123 <nil>
	// <nil>
}

// Two stores of one cluster: what one has written the other hears of, and cannot
// write as if it had not been.
func ExampleStore_Watch() {
	url, shutdown := embedded()
	defer shutdown()
	ctx := context.Background()
	var stores [2]*natsstore.Store
	for i := range stores {
		s, err := natsstore.Open(ctx, natsstore.Options{URL: url})
		if err != nil {
			fmt.Println(err)
			return
		}
		defer s.Close()
		stores[i] = s
	}
	heard := make(chan membership.Entry, 1)
	stop, err := stores[1].Watch(func(e membership.Entry) { heard <- e })
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stop()
	key := "s.0.7" // shard 7
	rev, err := stores[0].Write(ctx, key, 0, []byte("node-1"))
	if err != nil {
		fmt.Println(err)
		return
	}
	e := <-heard
	fmt.Printf("heard: %s is %s's, at the revision written: %t\n", e.Key, e.Value, e.Rev == rev)
	_, err = stores[1].Write(ctx, key, 0, []byte("node-2"))
	fmt.Println("conflict:", errors.Is(err, membership.ErrConflict))
	// Output:
	// heard: s.0.7 is node-1's, at the revision written: true
	// conflict: true
}

// Stores get a user of their own. Whoever carries requests can then write no
// record, and is told so.
func ExampleControlPermissions() {
	control := natsstore.ControlPermissions("shop")
	url, shutdown := embedded(
		&server.User{Username: "control", Password: "secret", Permissions: &server.Permissions{
			Publish:   &server.SubjectPermission{Allow: control.Publish},
			Subscribe: &server.SubjectPermission{Allow: control.Subscribe},
		}},
		&server.User{Username: "client", Password: "secret", Permissions: &server.Permissions{
			Publish:   &server.SubjectPermission{Allow: []string{"shop.n.>", "shop.who"}},
			Subscribe: &server.SubjectPermission{Allow: []string{"shop.own", "_INBOX.client.>"}},
		}},
	)
	defer shutdown()
	for _, user := range []string{"control", "client"} {
		store, err := natsstore.Open(context.Background(), natsstore.Options{
			URL:    strings.Replace(url, "//", "//"+user+":secret@", 1),
			Prefix: "shop", Log: slog.New(slog.DiscardHandler),
		})
		fmt.Println(user, "is refused:", errors.Is(err, outcome.ErrNotPermitted))
		if err == nil {
			store.Close()
		}
	}
	fmt.Println(strings.Join(control.Subscribe, " "))
	// Output:
	// control is refused: false
	// client is refused: true
	// shop.ev.> shop.ctl.>
}
