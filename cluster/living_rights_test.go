package cluster_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/membership/natsstore"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// TestBucketIsDeletedUnderAUserWhoMayNotMakeIt: the node's health names the bucket and
// the command that makes it, and the node serves again when somebody has made it.
func TestBucketIsDeletedUnderAUserWhoMayNotMakeIt(t *testing.T) {
	testkit.CheckLeaks(t)
	rights := natsstore.ControlPermissions("")
	rights.Publish = slices.DeleteFunc(rights.Publish, func(s string) bool { return strings.Contains(s, "STREAM.CREATE") })
	url := testkit.StartNATSServer(t, &server.Options{JetStream: true, StoreDir: t.TempDir(), Users: []*server.User{
		{Username: "admin", Password: "p"},
		{Username: "node", Password: "p", Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Allow: rights.Publish}, Subscribe: &server.SubjectPermission{Allow: rights.Subscribe},
		}},
	}}).URL()
	as := func(user string) string { return strings.Replace(url, "//", "//"+user+":p@", 1) }
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()

	nc, err := nats.Connect(as("admin"))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	makeBucket := func() {
		t.Helper()
		s, err := natsstore.Open(ctx, natsstore.Options{URL: as("admin"), Memory: true, Log: quiet})
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
	}
	makeBucket()
	store, err := natsstore.Open(ctx, natsstore.Options{URL: as("node"), Memory: true, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	tr, err := natstransport.Open(t.Context(), natstransport.Options{URL: as("admin"), Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tr.Close() }()
	n := cluster.NewNode(cluster.NodeOptions{
		NodeID: "a", Transport: tr, Membership: store, NumShards: livingShards, Handler: echoData, Log: quiet,
		Timing: membership.Timing{Lease: 2 * time.Second, Settle: 200 * time.Millisecond, Residency: time.Millisecond},
	})
	stop, err := n.Start(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteStream(ctx, "KV_clstr_members"); err != nil {
		t.Fatal(err)
	}
	until(ctx, t, n, func(h cluster.Health) bool {
		return h.Why == cluster.NodeBucketGone && strings.Contains(h.Error, "nats kv add clstr_members ")
	})
	makeBucket()
	until(ctx, t, n, func(h cluster.Health) bool { return h.Serving && h.Error == "" })
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// until returns when a node's health is as it should be.
func until(ctx context.Context, t *testing.T, n *cluster.Node, ok func(cluster.Health) bool) {
	t.Helper()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for !ok(n.Health()) {
		select {
		case <-look.C:
		case <-ctx.Done():
			t.Fatalf("%+v", n.Health())
		}
	}
}
