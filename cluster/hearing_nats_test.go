package cluster_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/internal/natstest"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/membership/natsstore"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// soonDead is a timing with which a death is over in seconds.
var soonDead = membership.Timing{Lease: 2 * time.Second, Settle: 200 * time.Millisecond, Residency: time.Millisecond, Poll: 200 * time.Millisecond}

// overNATS starts a node whose store reaches the server at once, and its transport as opts say.
func overNATS(ctx context.Context, t *testing.T, id, url string, opts natstransport.Options, with ...func(*cluster.NodeOptions)) (*cluster.Node, func() error) {
	t.Helper()
	store, err := natsstore.Open(ctx, natsstore.Options{URL: url, Memory: true, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	opts.Log = quiet
	tr, err := natstransport.Open(ctx, opts)
	if err != nil {
		t.Fatal(err)
	}
	node := cluster.NodeOptions{
		NodeID: id, Transport: tr, Membership: store, NumShards: livingShards, Log: quiet, Timing: soonDead, Handler: echoData,
	}
	for _, more := range with {
		more(&node)
	}
	n := cluster.NewNode(node)
	stop, err := n.Start(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return n, func() error { return errors.Join(stop(), tr.Close(), store.Close()) }
}

// answered returns when every shard was answered.
func answered(ctx context.Context, t *testing.T, client *cluster.Client) {
	t.Helper()
	for shard := range uint32(livingShards) {
		for {
			try, done := context.WithTimeout(ctx, 500*time.Millisecond)
			_, err := client.Shard(shard).GetNodeInfo(try)
			done()
			if err == nil {
				break
			}
			if ctx.Err() != nil {
				t.Fatalf("shard %d is not served: %v", shard, err)
			}
		}
	}
}

// TestSwallowedDataPath: the network has forgotten a node's data connection, and tells nobody. The
// node's way to the store works. Its shards are served again soon: by others, if the connection is not the
// node's to make anew.
func TestSwallowedDataPath(t *testing.T) {
	for name, given := range map[string]bool{"its own connection": false, "a given connection": true} {
		t.Run(name, func(t *testing.T) {
			testkit.CheckLeaks(t)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // a ping of nats.go's takes two
			defer cancel()
			url := testkit.StartNATSServer(t, &server.Options{JetStream: true, StoreDir: t.TempDir()}).URL()
			way := natstest.StartNetwork(t, url)
			var hangs *nats.Conn
			opts := natstransport.Options{URL: way.URL(), NATSOptions: []nats.Option{nats.PingInterval(time.Hour)}}
			if given {
				nc, err := nats.Connect(way.URL())
				if err != nil {
					t.Fatal(err)
				}
				defer nc.Close()
				hangs = nc
				opts = natstransport.Options{Conn: nc}
			}
			a, stopA := overNATS(ctx, t, "a", url, natstransport.Options{URL: url})
			b, stopB := overNATS(ctx, t, "b", url, opts)
			tr, err := natstransport.Open(ctx, natstransport.Options{URL: url, Log: quiet})
			if err != nil {
				t.Fatal(err)
			}
			client := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: livingShards})
			until(ctx, t, b, func(h cluster.Health) bool { return h.Serving && h.ShardsOwned > 0 && h.ShardsOwned == h.ShardsWanted })
			answered(ctx, t, client)
			way.Swallow()
			if given {
				until(ctx, t, b, func(h cluster.Health) bool {
					return h.Why == cluster.NodeDataPathDead && strings.Contains(h.Error, "what it sends to itself does not arrive")
				})
				until(ctx, t, a, func(h cluster.Health) bool { return h.ShardsOwned == livingShards })
			}
			answered(ctx, t, client)
			if given {
				hangs.Close() // b's end would wait for it
			}
			if err := errors.Join(stopB(), stopA(), tr.Close()); err != nil && !given {
				t.Error(err)
			}
		})
	}
}

// unreached is a node's metrics that hear of members that it does not reach.
type unreached struct {
	cluster.ClusterMetrics
	count atomic.Int64
}

// MembersUnreachable implements cluster.MemberMetrics.
func (u *unreached) MembersUnreachable(_ string, count int) { u.count.Store(int64(count)) }

// TestPartitionIsTold: two nodes reach the store, and their servers do not know each other. Both say so.
func TestPartitionIsTold(t *testing.T) {
	testkit.CheckLeaks(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	url := testkit.StartNATSServer(t, &server.Options{JetStream: true, StoreDir: t.TempDir()}).URL()
	elsewhere := testkit.StartNATS(t)
	m := &unreached{ClusterMetrics: cluster.NopClusterMetrics()}
	a, stopA := overNATS(ctx, t, "a", url, natstransport.Options{URL: url}, func(o *cluster.NodeOptions) { o.Metrics = m })
	b, stopB := overNATS(ctx, t, "b", url, natstransport.Options{URL: elsewhere})
	until(ctx, t, a, func(h cluster.Health) bool { return h.Serving && slices.Equal(h.Unreachable, []string{"b"}) })
	until(ctx, t, b, func(h cluster.Health) bool { return h.Serving && slices.Equal(h.Unreachable, []string{"a"}) })
	until(ctx, t, a, func(cluster.Health) bool { return m.count.Load() == 1 }) // metrics hear of it with the next renewal
	if text, err := json.Marshal(a.Health()); err != nil || !strings.Contains(string(text), `"unreachable":["b"]`) {
		t.Errorf("%s, %v", text, err)
	}
	if err := stopB(); err != nil {
		t.Error(err)
	}
	until(ctx, t, a, func(h cluster.Health) bool { return len(h.Unreachable) == 0 && m.count.Load() == 0 })
	if err := stopA(); err != nil {
		t.Error(err)
	}
}
