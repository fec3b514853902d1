package cluster_test

import (
	"context"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
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

// echo is an actor of protoactor's, the yardstick.
type echo struct{}

func (echo) Receive(ctx pactor.Context) {
	if m, ok := ctx.Message().([]byte); ok && ctx.Sender() != nil {
		ctx.Respond(m)
	}
}

func bareSystem() *pactor.ActorSystem {
	return pactor.NewActorSystem(pactor.WithLoggerFactory(func(*pactor.ActorSystem) *slog.Logger {
		return slog.New(slog.NewTextHandler(io.Discard, nil))
	}))
}

func echoPerKey(string) (cluster.ServerHandlerFunc, error) {
	return func(_ context.Context, env cluster.Envelope) ([]byte, error) { return env.Data, nil }, nil
}

// benchCluster is a client of a node in this process.
func benchCluster(b *testing.B, h cluster.ServerHandlerFunc) *cluster.Client {
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
	return client
}

func keyNames(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = "user-" + strconv.Itoa(i)
	}
	return keys
}

// BenchmarkRequest is a request to an active key from one caller.
func BenchmarkRequest(b *testing.B) {
	b.Run("bare", func(b *testing.B) {
		as := bareSystem()
		pid := as.Root.Spawn(pactor.PropsFromProducer(func() pactor.Actor { return echo{} }))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := as.Root.RequestFuture(pid, payload, time.Minute).Result(); err != nil {
				b.Fatal(err)
			}
		}
	})
	client := benchCluster(b, cluster.NewKeyHandlerWithOpts(echoPerKey, -1))
	ctx := context.Background()
	far, cancel := context.WithTimeout(ctx, time.Hour)
	defer cancel()
	user := client.Key("user-1")
	for _, c := range []struct {
		name string
		ask  func() ([]byte, error)
	}{
		{"clstr", func() ([]byte, error) { return user.RequestRaw(ctx, "Echo", payload) }},
		{"clstr-by-key", func() ([]byte, error) { return client.RequestKey(ctx, "user-1", "Echo", payload) }},
		{"clstr-deadline", func() ([]byte, error) { return user.RequestRaw(far, "Echo", payload) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.ask(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRequestParallel is requests to 10,000 active keys from 64 callers.
func BenchmarkRequestParallel(b *testing.B) {
	keys := keyNames(benchKeys)
	b.Run("bare", func(b *testing.B) {
		as := bareSystem()
		pids := make([]*pactor.PID, len(keys))
		for i := range pids {
			pids[i] = as.Root.Spawn(pactor.PropsFromProducer(func() pactor.Actor { return echo{} }))
		}
		b.ReportAllocs()
		spread(b, func(i int) {
			if _, err := as.Root.RequestFuture(pids[i%len(pids)], payload, time.Minute).Result(); err != nil {
				b.Error(err)
			}
		})
	})
	client := benchCluster(b, cluster.NewKeyHandlerWithOpts(echoPerKey, -1))
	ctx := context.Background()
	users := activate(b, client, keys)
	b.Run("clstr", func(b *testing.B) {
		b.ReportAllocs()
		spread(b, func(i int) {
			if _, err := users[i%len(users)].RequestRaw(ctx, "Echo", payload); err != nil {
				b.Error(err)
			}
		})
	})
	b.Run("clstr-by-key", func(b *testing.B) {
		b.ReportAllocs()
		spread(b, func(i int) {
			if _, err := client.RequestKey(ctx, keys[i%len(keys)], "Echo", payload); err != nil {
				b.Error(err)
			}
		})
	})
}

// spread calls f b.N times from 64 goroutines.
func spread(b *testing.B, f func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for c := range benchCallers {
		wg.Go(func() {
			for i := c * 7919; int(next.Add(1)) <= b.N; i++ {
				f(i)
			}
		})
	}
	wg.Wait()
	b.StopTimer()
}

// activate makes the keys' actors and returns clients of them.
func activate(b *testing.B, client *cluster.Client, keys []string) []*cluster.ScopedClient {
	b.Helper()
	users := make([]*cluster.ScopedClient, len(keys))
	for i, k := range keys {
		users[i] = client.Key(k)
		if _, err := users[i].RequestRaw(context.Background(), "Echo", payload); err != nil {
			b.Fatal(err)
		}
	}
	return users
}
