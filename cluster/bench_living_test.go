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
	learnStacks(b, benchCallers)
	keys := keyNames(benchKeys)
	ctx := context.Background()
	raw := forms(64)[0]
	sides := []struct {
		name  string
		users []*cluster.ScopedClient
	}{
		{"fixed", raw.activate(b, benchCluster(b, rawKeys(does{})), keys)},
		{"clstr", raw.activate(b, livingBench(b, rawKeys(does{})), keys)},
	}
	for _, s := range sides {
		b.Run("callers=1/"+s.name, func(b *testing.B) {
			fromOne(b, func() error { return raw.ask(ctx, s.users[0]) })
		})
	}
	for _, s := range sides {
		b.Run("callers=64/"+s.name, func(b *testing.B) {
			spread(b, benchCallers, func(i int) error { return raw.ask(ctx, s.users[i%len(s.users)]) })
		})
	}
}
