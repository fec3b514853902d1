package natstransport_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"

	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// The server says that nobody listens: no call waits for its deadline, not even
// one that has none, alone or in a message with others.
func TestNoOwner(t *testing.T) {
	client := connect(t, natstransport.Options{URL: testkit.StartNATS(t)})
	for _, delivery := range []transport.Delivery{transport.AwaitReply, transport.AwaitAccept} {
		env := transport.Envelope{Shard: 7, Type: "Lost", Delivery: delivery}
		refused(t, client, env, outcome.ErrTransportNoShardSubscriber, outcome.NotStarted)
		_, err := client.Request(context.Background(), env)
		failed(t, err, outcome.ErrTransportNoShardSubscriber, outcome.NotStarted)
	}
	var all sync.WaitGroup
	for range 500 {
		all.Go(func() {
			_, err := client.Request(context.Background(), transport.Envelope{Shard: 7, Type: "Lost", TTLMs: 60_000})
			if outcome.CodeOf(err) != "no_subscriber" {
				t.Errorf("%v", err)
			}
		})
	}
	all.Wait()
}

// A cluster's subjects are apart from another's on the same server.
func TestPrefixesAreApart(t *testing.T) {
	url := testkit.StartNATS(t)
	names := []string{"", "blue", "blue.green", "clstr2"}
	var nodes, clients []*natstransport.Transport
	for i, prefix := range names {
		node := connect(t, natstransport.Options{URL: url, Prefix: prefix})
		clients = append(clients, connect(t, natstransport.Options{URL: url, Prefix: prefix}))
		if i > 0 {
			nodes = append(nodes, node)
			serve(t, node, 7, func(context.Context, transport.Envelope) ([]byte, error) { return []byte(prefix), nil })
		}
	}
	refused(t, clients[0], transport.Envelope{Shard: 7, Type: "Which"}, outcome.ErrTransportNoShardSubscriber, outcome.NotStarted)
	for i, prefix := range names[1:] {
		for range 10 {
			want(t, clients[i+1], transport.Envelope{Shard: 7, Type: "Which"}, prefix)
		}
	}
	if err := nodes[0].Close(); err != nil {
		t.Fatal(err)
	}
	refused(t, clients[1], transport.Envelope{Shard: 7, Type: "Which"}, outcome.ErrTransportNoShardSubscriber, outcome.NotStarted)
	want(t, clients[2], transport.Envelope{Shard: 7, Type: "Which"}, names[2])
}

// A notification without an acknowledgement that nobody is there for cannot be
// reported to its sender, who has gone on. It is counted, and the log tells.
func TestMissedNotifications(t *testing.T) {
	srv := testkit.StartNATSServer(t, nil)
	var buf lockedBuffer
	client := connect(t, natstransport.Options{URL: srv.URL(), AlwaysOverNATS: true, Log: slog.New(slog.NewTextHandler(&buf, nil))})
	serve(t, client, 1, echo)
	gone := connect(t, natstransport.Options{URL: srv.URL()})
	serve(t, gone, 7, echo)
	want(t, client, transport.Envelope{Shard: 7, Type: "Echo"}, "")
	if err := gone.Close(); err != nil {
		t.Fatal(err)
	}
	note := func(shard int) {
		t.Helper()
		if _, err := client.Request(patient(t), transport.Envelope{Shard: shard, Type: "Lost", Delivery: transport.AwaitNothing}); err != nil {
			t.Fatal(err)
		}
	}
	note(7)
	missed := func(n uint64) func() bool {
		return func() bool { return client.MissedNotifications() >= n }
	}
	eventually(t, "it is missed", missed(1))
	eventually(t, "the log tells", func() bool {
		return containsAny(buf.String(), "subject=clstr.n."+gone.Backend().Address()) && containsAny(buf.String(), outcome.ErrTransportNoShardSubscriber.Error())
	})

	// In one message with others, each counts as what it is.
	release := client.HoldShard(7)
	var calls []<-chan result
	for range 3 {
		note(7)
		calls = append(calls, start(patient(t), client, transport.Envelope{Shard: 7, Type: "Lost"}))
	}
	eventually(t, "all wait", func() bool { _, items, _ := client.Waiting(7); return items == 6 })
	release()
	for _, call := range calls {
		failed(t, receive(t, "a request", call).err, outcome.ErrTransportNoShardSubscriber, outcome.NotStarted)
	}
	eventually(t, "three more are missed", missed(4))

	note(1) // served
	want(t, client, transport.Envelope{Shard: 1, Type: "Echo", Data: []byte("x")}, "x")

	// The connection goes while they wait for it.
	release = client.HoldShard(1)
	note(1)
	note(1)
	srv.Stop()
	eventually(t, "the client notices", func() bool {
		_, err := client.Request(patient(t), transport.Envelope{Type: "Down"})
		return outcome.CodeOf(err) == "disconnected"
	})
	release()
	eventually(t, "two more are missed", missed(6))
	if n := client.MissedNotifications(); n != 6 {
		t.Errorf("%d notifications are missed", n)
	}
}
