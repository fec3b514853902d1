package natstransport_test

import (
	"context"
	"sync"
	"testing"

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
		refused(t, client, env, transport.ErrTransportNoShardSubscriber, transport.NotStarted)
		_, err := client.Request(context.Background(), env)
		failed(t, err, transport.ErrTransportNoShardSubscriber, transport.NotStarted)
	}
	var all sync.WaitGroup
	for range 500 {
		all.Go(func() {
			_, err := client.Request(context.Background(), transport.Envelope{Shard: 7, Type: "Lost", TTLMs: 60_000})
			if transport.CodeOf(err) != "no_subscriber" {
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
		node := connect(t, natstransport.Options{URL: url, SubjectPrefix: prefix})
		clients = append(clients, connect(t, natstransport.Options{URL: url, SubjectPrefix: prefix}))
		if i > 0 {
			nodes = append(nodes, node)
			serve(t, node, 7, func(context.Context, transport.Envelope) ([]byte, error) { return []byte(prefix), nil })
		}
	}
	refused(t, clients[0], transport.Envelope{Shard: 7, Type: "Which"}, transport.ErrTransportNoShardSubscriber, transport.NotStarted)
	for i, prefix := range names[1:] {
		for range 10 {
			want(t, clients[i+1], transport.Envelope{Shard: 7, Type: "Which"}, prefix)
		}
	}
	if err := nodes[0].Close(); err != nil {
		t.Fatal(err)
	}
	refused(t, clients[1], transport.Envelope{Shard: 7, Type: "Which"}, transport.ErrTransportNoShardSubscriber, transport.NotStarted)
	want(t, clients[2], transport.Envelope{Shard: 7, Type: "Which"}, names[2])
}
