package cluster_test

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/membership/memstore"
	"github.com/clstr-go/clstr/transport/memtransport"
)

// ownedGauge is metrics that keep the last number of shards that was told.
type ownedGauge struct {
	cluster.ClusterMetrics
	told atomic.Int64
}

func (g *ownedGauge) ShardsOwned(_ string, count int) { g.told.Store(int64(count)) }

// unevenTransport takes its time to subscribe, another for each shard.
type unevenTransport struct{ *memtransport.Transport }

func (t unevenTransport) Backend() dispatch.Backend { return unevenBackend{t.Transport.Backend()} }

type unevenBackend struct{ dispatch.Backend }

func (b unevenBackend) Subscribe(ctx context.Context, shard uint32, to dispatch.Subscriber) (*dispatch.Sub, error) {
	time.Sleep(time.Duration(livingShards-shard) * time.Millisecond)
	return b.Backend.Subscribe(ctx, shard, to)
}

// TestOwnedIsToldInOrder: shards are opened side by side, and the number that is
// told last is that of all of them.
func TestOwnedIsToldInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := memtransport.New(memtransport.Options{})
		defer tr.Close()
		g := &ownedGauge{ClusterMetrics: cluster.NopClusterMetrics()}
		node := cluster.NewNode(cluster.NodeOptions{
			NodeID: "a", Transport: unevenTransport{tr}, Membership: memstore.New(), NumShards: livingShards,
			Handler: echoData, Metrics: g, Log: slog.New(slog.DiscardHandler),
		})
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- node.Run(ctx) }() // ends below
		<-node.Ready()
		if n := g.told.Load(); n != livingShards {
			t.Errorf("told %d shards, owns %d", n, livingShards)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if n := g.told.Load(); n != 0 {
			t.Errorf("told %d shards after the end", n)
		}
	})
}
