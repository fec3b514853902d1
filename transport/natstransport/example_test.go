package natstransport_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/clstr-go/clstr/outcome"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// A node and a client on two connections to one server, here one in this
// process. Programs give the transports to cluster.NewNode and cluster.NewClient.
func Example() {
	srv, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	srv.Start()
	defer srv.Shutdown()

	node, err := natstransport.Open(context.Background(), natstransport.Options{URL: srv.ClientURL(), Prefix: "shop"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer node.Close()
	client, err := natstransport.Open(context.Background(), natstransport.Options{URL: srv.ClientURL(), Prefix: "shop"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	ctx := context.Background()
	env := transport.Envelope{Shard: 7, Type: "Greet", Key: "user-123", Data: []byte("hello")}
	_, err = client.Request(ctx, env)
	fmt.Println(err, "-", outcome.Of(err))

	_, err = node.SubscribeShard(ctx, 7, func(_ context.Context, env transport.Envelope) ([]byte, error) {
		return fmt.Appendf(nil, "%s, %s", env.Data, env.Key), nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	reply, err := client.Request(ctx, env)
	fmt.Println(string(reply), err)
	// Output:
	// no subscriber for shard: shard 7 - not started
	// hello, user-123 <nil>
}

// Two clients that cannot read each other's replies: alice's permissions end at
// her own inboxes.
func Example_inboxesApart() {
	srv, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true,
		Users: []*server.User{{Username: "alice", Password: "secret", Permissions: &server.Permissions{
			Publish:   &server.SubjectPermission{Allow: []string{"clstr.n.*.*", "clstr.who"}},
			Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX.alice.>", "clstr.own"}},
		}}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	srv.Start()
	defer srv.Shutdown()
	url, password := srv.ClientURL(), "secret"
	alice := natstransport.Options{URL: url, NATSOptions: []nats.Option{
		nats.UserInfo("alice", password), nats.CustomInboxPrefix("_INBOX.alice"),
	}}
	open := natstransport.Options{URL: url, NATSOptions: []nats.Option{nats.UserInfo("alice", password)}}
	for _, opts := range []natstransport.Options{alice, open} {
		opts.Log = slog.New(slog.DiscardHandler)
		tr, err := natstransport.Open(context.Background(), opts)
		if err != nil {
			fmt.Println(errors.Is(err, outcome.ErrNotPermitted))
			continue
		}
		_, err = tr.Request(context.Background(), transport.Envelope{Shard: 7, Type: "Greet"})
		fmt.Println(err)
		_ = tr.Close()
	}
	// Output:
	// no subscriber for shard: shard 7
	// true
}
