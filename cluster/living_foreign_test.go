package cluster_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/membership/natsstore"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// TestForeignKindsOverNATS: two services that have left the prefix out start at the same
// moment. One of them serves, and the other is refused and has taken no shard; so is a
// node of it that comes later.
func TestForeignKindsOverNATS(t *testing.T) {
	testkit.CheckLeaks(t)
	url := testkit.StartNATSServer(t, &server.Options{JetStream: true, StoreDir: t.TempDir()}).URL()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	type ended struct {
		n   *cluster.Node
		err error
	}
	ends := make(chan ended, 3)
	start := func(name, kind string) *cluster.Node {
		tr, err := natstransport.Open(t.Context(), natstransport.Options{URL: url, Log: quiet})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = tr.Close() })
		s, err := natsstore.Open(ctx, natsstore.Options{URL: url, Memory: true, Log: quiet})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		n := cluster.NewNode(cluster.NodeOptions{NodeID: name, Transport: tr, Membership: s, NumShards: livingShards, Kinds: kinds{kind: echoData}, Log: quiet})
		go func() { ends <- ended{n, n.Run(ctx)} }() // the test waits for it
		return n
	}
	a, b := start("a", "orders"), start("b", "mails")
	refused := func() *cluster.Node {
		t.Helper()
		e := <-ends
		if !errors.Is(e.err, membership.ErrForeignKinds) {
			t.Errorf("ended with %v", e.err)
		}
		return e.n
	}
	out, stays, kind := refused(), a, "mails"
	if out == a {
		stays, kind = b, "orders"
	}
	select {
	case <-stays.Ready():
	case <-ctx.Done():
		t.Fatalf("neither serves: %+v", stays.Health())
	}
	if got := stays.Health().ShardsOwned; got != livingShards {
		t.Errorf("the one that stays serves %d shards", got)
	}
	start("later", kind)
	refused()
	if got := stays.Health().ShardsOwned; got != livingShards {
		t.Errorf("the one that stays serves %d shards after another node of the other has come", got)
	}
	cancel()
	if e := <-ends; e.err != nil || e.n != stays {
		t.Errorf("the one that stays ended with %v", e.err)
	}
}
