package cluster_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"runtime"
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

// BenchmarkNotify is notifications without an ack until all are handled, in
// windows: to 10,000 active keys from one caller and from 64, and to one key.
func BenchmarkNotify(b *testing.B) {
	for _, c := range []struct {
		name                  string
		keys, callers, window int
	}{
		{"keys=10000/callers=1", benchKeys, 1, 8192},
		{"keys=10000/callers=64", benchKeys, benchCallers, 8192},
		{"keys=1/callers=1", 1, 1, 512},
	} {
		keys := keyNames(c.keys)
		b.Run(c.name+"/bare", func(b *testing.B) {
			as := bareSystem()
			w := windows{size: c.window}
			pids := make([]*pactor.PID, len(keys))
			for i := range pids {
				pids[i] = as.Root.Spawn(pactor.PropsFromFunc(func(ctx pactor.Context) {
					if _, ok := ctx.Message().([]byte); ok {
						w.handled()
					}
				}))
			}
			w.run(b, c.callers, func(i int) { as.Root.Send(pids[i%len(pids)], payload) })
		})
		b.Run(c.name+"/clstr", func(b *testing.B) {
			w := windows{size: c.window}
			client := benchCluster(b, cluster.NewKeyHandlerWithOpts(func(string) (cluster.ServerHandlerFunc, error) {
				return func(_ context.Context, env cluster.Envelope) ([]byte, error) {
					if env.Type == "Note" {
						w.handled()
					}
					return nil, nil
				}, nil
			}, -1))
			ctx := context.Background()
			users := activate(b, client, keys)
			noAck := cluster.WithoutAck()
			w.run(b, c.callers, func(i int) {
				if err := users[i%len(users)].NotifyRaw(ctx, "Note", payload, noAck); err != nil {
					b.Error(err)
				}
			})
		})
	}
}

// windows sends notifications in windows.
type windows struct {
	size int // how many are on their way at most: those of one key fit its mailbox
	left atomic.Int64
	all  chan struct{}
}

func (w *windows) handled() {
	if w.left.Add(-1) == 0 {
		w.all <- struct{}{}
	}
}

func (w *windows) run(b *testing.B, callers int, send func(i int)) {
	w.all = make(chan struct{}, 1)
	turns := make([]chan int, callers) // first of a window's share
	var ended sync.WaitGroup
	for c := range turns {
		turns[c] = make(chan int, 1)
		ended.Go(func() {
			for first := range turns[c] {
				for i := range w.size / callers {
					send(first + i)
				}
			}
		})
	}
	b.ReportAllocs()
	sent := 0
	for b.Loop() {
		w.left.Store(int64(w.size))
		for c := range turns {
			turns[c] <- sent
			sent += w.size / callers
		}
		<-w.all
	}
	for c := range turns {
		close(turns[c])
	}
	ended.Wait()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(w.size), "ns/msg")
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

// BenchmarkActivate is the first request of a key.
func BenchmarkActivate(b *testing.B) {
	b.Run("bare", func(b *testing.B) {
		as := bareSystem()
		b.ReportAllocs()
		n := 0
		for b.Loop() {
			n++
			pid, err := as.Root.SpawnNamed(pactor.PropsFromProducer(func() pactor.Actor { return echo{} }), "user-"+strconv.Itoa(n))
			if err != nil {
				b.Fatal(err)
			}
			if _, err := as.Root.RequestFuture(pid, payload, time.Minute).Result(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("clstr", func(b *testing.B) {
		client := benchCluster(b, cluster.NewKeyHandlerWithOpts(echoPerKey, -1))
		ctx := context.Background()
		b.ReportAllocs()
		n := 0
		for b.Loop() {
			n++
			if _, err := client.RequestKey(ctx, "user-"+strconv.Itoa(n), "Echo", payload); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkCycle sends 100,000 keys through a cap of 10,000.
func BenchmarkCycle(b *testing.B) {
	client := benchCluster(b, cluster.NewKeyHandlerWithOpts(echoPerKey, 10_000))
	keys := keyNames(100_000)
	ctx := context.Background()
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		n++
		if _, err := client.RequestKey(ctx, keys[n%len(keys)], "Echo", payload); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkIdleKey reports heap and stack of an active key that has nothing to
// do; ns/op means nothing here.
func BenchmarkIdleKey(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		keys := keyNames(n)
		b.Run(fmt.Sprintf("%d/bare", n), func(b *testing.B) {
			as := bareSystem()
			pids := make([]*pactor.PID, n)
			before := inUse()
			for i, k := range keys {
				pids[i], _ = as.Root.SpawnNamed(pactor.PropsFromProducer(func() pactor.Actor { return echo{} }), k)
			}
			for _, pid := range pids {
				_, _ = as.Root.RequestFuture(pid, payload, time.Minute).Result()
			}
			b.ReportMetric(float64(inUse()-before)/float64(n), "B/key")
			runtime.KeepAlive(pids)
			runtime.KeepAlive(as)
		})
		b.Run(fmt.Sprintf("%d/clstr", n), func(b *testing.B) {
			client := benchCluster(b, cluster.NewKeyHandlerWithOpts(echoPerKey, -1))
			before := inUse()
			for _, k := range keys {
				if _, err := client.RequestKey(context.Background(), k, "Echo", payload); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(inUse()-before)/float64(n), "B/key")
			runtime.KeepAlive(client)
		})
	}
}

func inUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}
