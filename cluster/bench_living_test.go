package cluster_test

import (
	"context"
	"log/slog"
	"testing"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/membership/memstore"
)

// livingBench is a client of a node with a membership in this process.
func livingBench(b *testing.B, h cluster.ServerHandlerFunc) *cluster.Client {
	b.Helper()
	tr := cluster.NewInMemoryTransport(cluster.MemoryTransportOpts{MaxPending: -1})
	node := cluster.NewNode(cluster.NodeOptions{
		NodeID: "n", Transport: tr, Membership: memstore.New(), Handler: h, NumShards: 64,
		Log: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- node.Run(ctx) }() // ends with the benchmark
	b.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			b.Error(err)
		}
		_ = tr.Close()
	})
	<-node.Ready()
	client, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: 64})
	if err != nil {
		b.Fatal(err)
	}
	return client
}

// BenchmarkOwnershipRequest is what it costs to look, at each request, whether the
// node still owns the shard: the yardstick is a node with a fixed list.
func BenchmarkOwnershipRequest(b *testing.B) {
	keys := keyNames(benchKeys)
	ctx := context.Background()
	type side struct {
		name  string
		users []*cluster.ScopedClient
	}
	sides := []side{
		{"fixed", activate(b, benchCluster(b, cluster.NewKeyHandlerWithOpts(echoPerKey, -1)), keys)},
		{"clstr", activate(b, livingBench(b, cluster.NewKeyHandlerWithOpts(echoPerKey, -1)), keys)},
	}
	for _, s := range sides {
		b.Run("callers=1/"+s.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.users[0].RequestRaw(ctx, "Echo", payload); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	for _, s := range sides {
		b.Run("callers=64/"+s.name, func(b *testing.B) {
			b.ReportAllocs()
			spread(b, func(i int) {
				if _, err := s.users[i%len(s.users)].RequestRaw(ctx, "Echo", payload); err != nil {
					b.Error(err)
				}
			})
		})
	}
}
