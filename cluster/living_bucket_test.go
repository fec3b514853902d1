package cluster_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/clstr-go/clstr/internal/record"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/membership/natsstore"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// TestBucketIsDeleted under nodes that serve: they make it anew by themselves, own all
// shards again in epochs above all before, and clients find them.
func TestBucketIsDeleted(t *testing.T) {
	testkit.CheckLeaks(t)
	url := testkit.StartNATSServer(t, &server.Options{JetStream: true, StoreDir: t.TempDir()}).URL()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	connect := func() *natstransport.Transport {
		tr, err := natstransport.Open(t.Context(), natstransport.Options{URL: url, Log: quiet})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = tr.Close() })
		return tr
	}
	var store *natsstore.Store
	var nodes []*cluster.Node
	for _, name := range []string{"a", "b"} {
		s, err := natsstore.Open(ctx, natsstore.Options{URL: url, Memory: true, Log: quiet})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		store = s
		n := cluster.NewNode(cluster.NodeOptions{
			NodeID: name, Transport: connect(), Membership: s, NumShards: livingShards, Handler: echoData, Log: quiet,
			Timing: membership.Timing{Lease: 2 * time.Second, Settle: 200 * time.Millisecond, Residency: time.Millisecond},
		})
		stop, err := n.Start(ctx)
		if err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, n)
		t.Cleanup(func() {
			if err := stop(); err != nil {
				t.Errorf("node %s: %v", name, err)
			}
		})
	}
	client, err := cluster.NewClient(cluster.ClientOptions{Transport: connect(), NumShards: livingShards, RetryOn: []error{cluster.ErrTransportNoShardSubscriber, cluster.ErrNotOwner}})
	if err != nil {
		t.Fatal(err)
	}
	before := ownedByBoth(ctx, t, store, nodes, 0)
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteStream(ctx, "KV_clstr_members"); err != nil {
		t.Fatal(err)
	}
	ownedByBoth(ctx, t, store, nodes, before)
	for i := range 64 {
		key := strconv.Itoa(i)
		if got, err := client.RequestKey(ctx, key, "Echo", []byte(key)); err != nil || string(got) != key {
			t.Errorf("key %s: %q, %v", key, got, err)
		}
	}
}

// ownedByBoth returns when the nodes serve all shards in epochs above one, some each,
// and what the highest is.
func ownedByBoth(ctx context.Context, t *testing.T, store membership.Store, nodes []*cluster.Node, above uint64) (highest uint64) {
	t.Helper()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		entries, _, err := store.Snapshot(ctx, record.ShardPrefix)
		owned, newer := 0, 0
		for _, n := range nodes {
			if h := n.Health(); h.Serving && h.ShardsOwned > 0 {
				owned += h.ShardsOwned
			}
		}
		for _, e := range entries {
			if rec, err := record.DecodeShard(e); err == nil && rec.Epoch > above {
				newer, highest = newer+1, max(highest, rec.Epoch)
			}
		}
		if err == nil && owned == livingShards && newer == livingShards && nodes[0].Health().ShardsOwned > 0 && nodes[1].Health().ShardsOwned > 0 {
			return highest
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			t.Fatalf("%d shards owned, %d in epochs above %d, %v; %+v, %+v", owned, newer, above, err, nodes[0].Health(), nodes[1].Health())
		}
	}
}
