package natstransport_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/clstr-go/clstr/outcome"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// TestTooManySubscriptions: what the server does not take is told to who subscribes,
// again and again, and what it has taken serves on. A node that would not be reached
// is not ready.
func TestTooManySubscriptions(t *testing.T) {
	url := testkit.StartNATSServer(t, &server.Options{MaxSubs: 4}).URL()
	nc := dial(t, url)
	last, err := nc.SubscribeSync("another.user")
	if err != nil {
		t.Fatal(err)
	}
	given, client := connect(t, natstransport.Options{Conn: nc}), connect(t, natstransport.Options{URL: url})
	for range 3 { // beside the inbox: requests, questions for owners, questions for turns
		if _, err := given.SubscribeShard(t.Context(), 2, echo); !errors.Is(err, outcome.ErrNotPermitted) || !strings.Contains(err.Error(), "maximum subscriptions") {
			t.Errorf("one subscription too many: %v", err)
		}
	}
	if err := last.Unsubscribe(); err != nil {
		t.Error(err)
	}
	for shard := range uint32(100) { // there is room, and a shard needs none
		serve(t, given, shard, echo)
		want(t, client, transport.Envelope{Shard: int(shard), Type: "Echo", Data: []byte("x")}, "x")
	}
	slow := nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) { <-time.After(150 * time.Millisecond) }) // others wait behind it
	tr := connect(t, natstransport.Options{URL: testkit.StartNATSServer(t, &server.Options{MaxSubs: 3}).URL(), NATSOptions: []nats.Option{slow}})
	for shard := range uint32(3) {
		if _, err := tr.SubscribeShard(t.Context(), shard+1, echo); !errors.Is(err, outcome.ErrNotPermitted) {
			t.Errorf("shard %d, with a slow handler of errors: %v", shard+1, err)
		}
	}
	tr = connect(t, natstransport.Options{URL: testkit.StartNATSServer(t, &server.Options{MaxSubs: 3}).URL()})
	node := cluster.NewNode(cluster.NodeOptions{Transport: tr, NumShards: 4, Shards: []uint32{0, 1, 2, 3}, Handler: func(context.Context, cluster.Envelope) ([]byte, error) { return nil, nil }})
	if _, err := node.Start(t.Context()); !errors.Is(err, outcome.ErrNotPermitted) {
		t.Errorf("the node starts with %v", err)
	}
}
