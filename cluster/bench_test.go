package cluster_test

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/cluster"
)

// The benchmarks of this file stand beside a yardstick, bare protoactor, and
// are compared within one run: `make bench` prints the ratios.

const (
	benchKeys    = 10_000
	benchCallers = 64
)

var payload = make([]byte, 64)

func echoPerKey(string) (cluster.ServerHandlerFunc, error) {
	return func(_ context.Context, env cluster.Envelope) ([]byte, error) { return env.Data, nil }, nil
}

// benchCluster is a client of a node in this process.
func benchCluster(b *testing.B, h cluster.ServerHandlerFunc) *cluster.Client {
	b.Helper()
	client, _ := benchNode(b, h)
	return client
}

// benchNode is benchCluster with the transport.
func benchNode(b *testing.B, h cluster.ServerHandlerFunc) (*cluster.Client, cluster.Transport) {
	b.Helper()
	tr := cluster.NewInMemoryTransport(cluster.MemoryTransportOpts{MaxPending: -1})
	shards := cluster.ShardsForNode("n", []string{"n"}, 64, "")
	node := cluster.NewNode(cluster.NodeOptions{
		NodeID: "n", Transport: tr, Shards: shards, Handler: h, NumShards: 64,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- node.Run(ctx) }()
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
	return client, tr
}

// BenchmarkRequest is a request to an active key from one caller.
func BenchmarkRequest(b *testing.B) {
	learnStacks(b, benchCallers)
	ctx := context.Background()
	for _, size := range sizes {
		b.Run(sized(size), func(b *testing.B) {
			payload := make([]byte, size)
			bare(b, func(b *testing.B, root *pactor.RootContext, how ...pactor.PropsOption) {
				pid := root.Spawn(echoes(how...))
				fromOne(b, func() error {
					_, err := root.RequestFuture(pid, payload, time.Minute).Result()
					return err
				})
			})
			for _, f := range append(forms(size), inCBOR(size)) {
				b.Run(f.name, func(b *testing.B) {
					user := f.activate(b, benchCluster(b, f.handle(does{})), []string{"user-1"})[0]
					fromOne(b, func() error { return f.ask(ctx, user) })
				})
			}
			client := benchCluster(b, rawKeys(does{}))
			b.Run("clstr-by-key", func(b *testing.B) {
				fromOne(b, func() error { _, err := client.RequestKey(ctx, "user-1", "Echo", payload); return err })
			})
			far, cancel := context.WithTimeout(ctx, time.Hour)
			defer cancel()
			user := client.Key("user-1")
			b.Run("clstr-deadline", func(b *testing.B) {
				fromOne(b, func() error { _, err := user.RequestRaw(far, "Echo", payload); return err })
			})
		})
	}
}

// BenchmarkRequestParallel is requests to active keys from 64 callers: to 10,000 in turn, to some of
// them more often than to others, and to one.
func BenchmarkRequestParallel(b *testing.B) {
	learnStacks(b, benchCallers)
	ctx := context.Background()
	for _, c := range []struct {
		name  string
		order []int
	}{{"keys=10000", inTurn(benchKeys)}, {"zipf", zipf(benchKeys)}, {"keys=1", []int{0}}} {
		keys := keyNames(min(benchKeys, len(c.order)))
		for _, size := range sizes {
			b.Run(c.name+"/"+sized(size), func(b *testing.B) {
				payload := make([]byte, size)
				bare(b, func(b *testing.B, root *pactor.RootContext, how ...pactor.PropsOption) {
					pids := spawn(root, len(keys), echoes(how...))
					spread(b, benchCallers, func(i int) error {
						_, err := root.RequestFuture(pids[c.order[i%len(c.order)]], payload, time.Minute).Result()
						return err
					})
				})
				for _, f := range forms(size) {
					b.Run(f.name, func(b *testing.B) {
						users := f.activate(b, benchCluster(b, f.handle(does{})), keys)
						spread(b, benchCallers, func(i int) error { return f.ask(ctx, users[c.order[i%len(c.order)]]) })
					})
				}
			})
		}
	}
}
