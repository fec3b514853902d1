package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/membership/memstore"
	"github.com/clstr-go/clstr/metrics"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// onBoth runs a test in memory and over NATS.
func onBoth(t *testing.T, test func(t *testing.T, over testkit.TransportKind)) {
	t.Run("memory", func(t *testing.T) { test(t, testkit.Memory) })
	t.Run("NATS", func(t *testing.T) { test(t, testkit.NATS) })
}

// numbers are what keys were told, in the order in which they ran.
type numbers struct {
	mu  sync.Mutex
	ran map[string][]int
}

func (n *numbers) handler() cluster.ServerHandlerFunc {
	n.ran = map[string][]int{}
	type entity struct{ key string }
	def := actor.Define("numbered", func(key string) *entity { return &entity{key} },
		actor.OnNotify(func(e *entity, _ *actor.Context, m put) error {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.ran[e.key] = append(n.ran[e.key], m.N)
			return nil
		}),
		actor.OnRequest(func(e *entity, _ *actor.Context, _ add) (total, error) {
			n.mu.Lock()
			defer n.mu.Unlock()
			return total{len(n.ran[e.key])}, nil
		}))
	return cluster.NewActorHandler(def.New)
}

// openers makes what nodes and clients of a cluster talk through.
func openers(t *testing.T, over testkit.TransportKind) (open func() cluster.Transport) {
	if over == testkit.Memory {
		tr := cluster.NewInMemoryTransport().WithLog(quiet)
		t.Cleanup(func() { _ = tr.Close() })
		return func() cluster.Transport { return tr }
	}
	url := testkit.StartNATS(t)
	return func() cluster.Transport {
		tr, err := natstransport.Open(t.Context(), natstransport.Options{URL: url, Log: quiet})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = tr.Close() })
		return tr
	}
}

// TestAsyncKeepsOrderInMoves: shards move in the middle of a window. Nothing fails, and each key
// is told everything once, in the order in which one sender has sent it.
func TestAsyncKeepsOrderInMoves(t *testing.T) {
	onBoth(t, func(t *testing.T, over testkit.TransportKind) { keepsOrderInMoves(t, over, false) })
	t.Run("NATS, on a node's transport", func(t *testing.T) { keepsOrderInMoves(t, testkit.NATS, true) })
}

func keepsOrderInMoves(t *testing.T, over testkit.TransportKind, beside bool) {
	var told numbers
	h, open, store := told.handler(), openers(t, over), memstore.New()
	start := func(name string, at cluster.Transport) (stop func()) {
		return startNode(t, cluster.NodeOptions{NodeID: name, Transport: at, Membership: store, NumShards: 8, Handler: h})
	}
	stopA, b := start("a", open()), open()
	client := newClient(t, cluster.ClientOptions{Transport: open()})
	if beside { // shards come to the client's own transport, and go
		client = newClient(t, cluster.ClientOptions{Transport: b})
	}
	const keys = 20
	var sent atomic.Int64
	var wg sync.WaitGroup
	stop := calling(1, func(_, i int) bool {
		for k := range keys {
			r := client.Key(fmt.Sprint("key-", k)).NotifyAsync(t.Context(), put{i})
			wg.Go(func() {
				if err := r.Wait(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		if i%100 == 99 { // a request of the same sender comes after what it has told
			got, err := cluster.NewRequest[add, total](client.Key("key-0")).Request(t.Context(), add{})
			if err != nil || got.Total != i+1 {
				t.Errorf("%+v after %d, %v", got, i+1, err)
			}
		}
		sent.Store(int64(i + 1))
		return true
	})
	progress := func() { // goes on while nothing moves
		from := sent.Load()
		eventually(t, "notifications go on", func() bool { return sent.Load() > from+20 })
	}
	progress()
	stopB := start("b", b)
	progress()
	stopA() // and all its shards move
	progress()
	start("c", open())
	progress()
	stopB()
	progress()
	stop()
	wg.Wait()
	if !cluster.Posts(client) {
		t.Error("the transport has no way to send without waiting")
	}
	for k := range keys {
		key := fmt.Sprint("key-", k)
		if got, err := cluster.NewRequest[add, total](client.Key(key)).Request(t.Context(), add{}); err != nil || int64(got.Total) != sent.Load() {
			t.Errorf("%s was told %+v of %d, %v", key, got, sent.Load(), err)
		}
		told.mu.Lock()
		ran := slices.Clone(told.ran[key])
		told.mu.Unlock()
		for i, n := range ran {
			if n != i {
				t.Fatalf("%s was told %d as number %d: %v", key, n, i, ran[max(0, i-5):min(len(ran), i+40)])
			}
		}
	}
}

// TestAsyncKeepsApart: the client uses memory of a notification again when it is over. Nothing of the notification
// comes with another.
func TestAsyncKeepsApart(t *testing.T) {
	onBoth(t, func(t *testing.T, over testkit.TransportKind) {
		var mu sync.Mutex
		seen := map[string]int{}
		c := testkit.NewCluster(t, testkit.ClusterOptions{Transport: over, Nodes: 1, Handler: cluster.NewKeyHandler(
			func(string) (cluster.ServerHandlerFunc, error) {
				return func(_ context.Context, env cluster.Envelope) ([]byte, error) {
					mu.Lock()
					defer mu.Unlock()
					seen[fmt.Sprintf("%s %s %v %t", env.Key, env.Data, env.Headers["h"], env.TTLMs > 0)]++
					return nil, nil
				}, nil
			})})
		const rounds, keys = 100, 7
		var receipts []*cluster.Receipt
		buf := make([]byte, 0, 64)
		for i := range rounds * keys {
			key := fmt.Sprint("k", i%keys)
			buf = fmt.Append(buf[:0], strings.Repeat("x", i%5), i) // as RawAsync allows
			var opts []cluster.EnvelopeOption
			switch i % 3 {
			case 1:
				opts = append(opts, cluster.WithHeader("h", key))
			case 2:
				opts = append(opts, cluster.WithTTL(time.Hour))
			}
			receipts = append(receipts, c.Client().Key(key).NotifyRawAsync(t.Context(), "Add", buf, opts...))
		}
		for i, r := range receipts {
			if err := r.Wait(t.Context()); err != nil {
				t.Fatalf("%d: %v", i, err)
			}
		}
		for k := range keys { // behind all of its key
			if err := c.Client().Key(fmt.Sprint("k", k)).NotifyRaw(t.Context(), "Add", nil); err != nil {
				t.Fatal(err)
			}
			_, _ = c.Client().Key(fmt.Sprint("k", k)).RequestRaw(t.Context(), "Add", []byte("last"))
		}
		mu.Lock()
		defer mu.Unlock()
		for i := range rounds * keys {
			key, header := fmt.Sprint("k", i%keys), ""
			if i%3 == 1 {
				header = key
			}
			if what := fmt.Sprintf("%s %s%d %s %t", key, strings.Repeat("x", i%5), i, header, i%3 == 2); seen[what] != 1 {
				t.Errorf("%q has come %d times", what, seen[what])
			}
		}
	})
}

// TestAsyncAtAClose: what is in the window when its transport is closed fails, and what comes later.
func TestAsyncAtAClose(t *testing.T) {
	onBoth(t, func(t *testing.T, over testkit.TransportKind) {
		var told numbers
		var tr transport.ClientTransport
		c := testkit.NewCluster(t, testkit.ClusterOptions{
			Live: true, Timing: noLeaseEnds, Nodes: 1, NumShards: 1, Transport: over, Log: slog.New(slog.DiscardHandler), Handler: told.handler(),
			Wrap: func(w transport.ClientTransport) transport.ClientTransport { tr = w; return w },
		})
		if err := c.Client().Key("k").NotifyAsync(t.Context(), put{}).Wait(t.Context()); err != nil {
			t.Error(err)
		}
		c.StopNode("node-0")
		var receipts []*cluster.Receipt
		for range 10 { // they wait for an owner
			receipts = append(receipts, c.Client().Key("k").NotifyAsync(t.Context(), put{}))
		}
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
		receipts = append(receipts, c.Client().Key("k").NotifyAsync(t.Context(), put{}))
		for i, r := range receipts {
			if err := r.Wait(t.Context()); !errors.Is(err, cluster.ErrTransportClosed) || !cluster.OutcomeOf(err).NeverRan() {
				t.Errorf("%d: %v (%v)", i, err, cluster.OutcomeOf(err))
			}
		}
	})
}

// TestAsyncFromAHandler: a handler that has returned has not taken back what it told others.
func TestAsyncFromAHandler(t *testing.T) {
	onBoth(t, func(t *testing.T, over testkit.TransportKind) {
		var c *testkit.Cluster
		told := make(chan string, 100)
		c = testkit.NewCluster(t, testkit.ClusterOptions{
			Transport: over, Log: slog.New(slog.DiscardHandler), Nodes: 2,
			Handler: cluster.NewKeyHandler(func(key string) (cluster.ServerHandlerFunc, error) {
				return func(ctx context.Context, env cluster.Envelope) ([]byte, error) {
					if env.Type == "Told" {
						told <- env.Headers["traceparent"]
						return nil, nil
					}
					for i := range 10 {
						c.Client().Key(fmt.Sprint(key, "-", i)).NotifyRawAsync(ctx, "Told", nil)
						c.Client().Key(fmt.Sprint(key, "-", i)).NotifyRawAsync(ctx, "Told", nil)
					}
					return nil, nil
				}, nil
			}),
		})
		if _, err := c.Client().RequestKey(t.Context(), "k", "Go", nil, cluster.WithHeader("traceparent", "t")); err != nil {
			t.Fatal(err)
		}
		for range 20 {
			if trace := <-told; trace != "t" {
				t.Errorf("trace %q", trace)
			}
		}
	})
}

// TestAsyncWithAnIntercept: it runs around the notification, with the values of the sender's context
// and without its end.
func TestAsyncWithAnIntercept(t *testing.T) {
	type mine struct{}
	synctest.Test(t, func(t *testing.T) {
		tr := &fakeTransport{reply: func(_ context.Context, try int, env cluster.Envelope) ([]byte, error) {
			if env.Headers["signed"] != "yes" {
				t.Error("not signed")
			}
			if try == 1 {
				return nil, refusal(cluster.ErrDraining)
			}
			return nil, nil
		}}
		runs := 0
		client := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 4, Intercept: func(ctx context.Context, out *cluster.Outgoing, next func(context.Context) error) error {
			runs++
			if ctx.Value(mine{}) != "value" || ctx.Err() != nil {
				t.Errorf("%v, %v", ctx.Value(mine{}), ctx.Err())
			}
			out.SetHeader("signed", "yes")
			return next(ctx)
		}})
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), mine{}, "value"))
		r := client.Key("k").NotifyAsync(ctx, put{})
		cancel()
		if err := r.Wait(t.Context()); err != nil || runs != 1 || len(tr.sent) != 2 {
			t.Errorf("%v after %d runs and %d tries", err, runs, len(tr.sent))
		}
	})
}

// ends counts how notifications have ended.
type ends struct {
	cluster.ClusterMetrics
	mu    sync.Mutex
	ended map[cluster.Outcome]int
}

func (*ends) RequestStarted(string, string) metrics.Timer  { return metrics.NopTimer }
func (*ends) RequestEnded(string, string, cluster.Outcome) {}
func (*ends) HandlerStarted(string, string) metrics.Timer  { return metrics.NopTimer }
func (*ends) HandlerEnded(string, string, cluster.Outcome) {}
func (m *ends) NotifyEnded(_, msgType string, o cluster.Outcome) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if msgType == "put" {
		m.ended[o]++
	}
}

// TestAsyncCounts: each counts once, when it is over.
func TestAsyncCounts(t *testing.T) {
	m := &ends{ClusterMetrics: cluster.NopClusterMetrics(), ended: map[cluster.Outcome]int{}}
	client := serve(t, func(context.Context, cluster.Envelope) ([]byte, error) { return nil, nil },
		func(_ *cluster.NodeOptions, c *cluster.ClientOptions) { c.Metrics = m })
	for range 5 {
		if err := client.Key("k").NotifyAsync(t.Context(), put{}).Wait(t.Context()); err != nil {
			t.Error(err)
		}
	}
	_ = client.Shard(9).NotifyAsync(t.Context(), put{}).Wait(t.Context())
	if m.ended[cluster.Succeeded] != 5 || m.ended[cluster.NotSent] != 1 {
		t.Errorf("%v", m.ended)
	}
}
