package cluster_test

import (
	"context"
	"io"
	"log/slog"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/memstate"
)

// till is the entity of these benchmarks: the yardstick is the same one without a store.
type till struct {
	Owner, Currency string
	Balance         int64
}

type (
	tillLook  struct{}
	tillQuery struct{}
	tillPut   struct{}
	tillWait  struct{} // its turn waits for its commit
)

func tills(more ...actor.Option) cluster.ServerHandlerFunc {
	put := func(p *till, c *actor.Context) (int64, error) {
		p.Balance++
		return p.Balance, nil
	}
	def := actor.Define("till", func(key string) *till { return &till{Owner: key, Currency: "EUR"} }, append(more,
		actor.OnRequest(func(p *till, _ *actor.Context, _ tillLook) (int64, error) { return p.Balance, nil }),
		actor.OnQuery(func(p *till, _ *actor.Context, _ tillQuery) (int64, error) { return p.Balance, nil }),
		actor.OnRequest(func(p *till, c *actor.Context, _ tillPut) (int64, error) { return put(p, c) }),
		actor.OnRequest(func(p *till, c *actor.Context, _ tillWait) (int64, error) {
			p.Balance++
			return p.Balance, c.Save()
		}))...)
	return cluster.NewActorHandlerWithOpts(def.New, cluster.HandlerOptions{CacheSize: -1})
}

// slowly is a store whose answers take a while, which holds no goroutine; held keeps them.
type slowly struct {
	*memstate.Store
	takes time.Duration

	mu   sync.Mutex
	hold bool
	held []func()
}

func (s *slowly) Commit(c state.Change, done func(state.Rev, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.hold:
		r := *c.Record
		c.Record = &r // as another process would have it
		s.held = append(s.held, func() { s.Store.Commit(c, done) })
	case s.takes > 0:
		time.AfterFunc(s.takes, func() { s.Store.Commit(c, done) })
	default:
		go s.Store.Commit(c, done)
	}
}

func (s *slowly) release() {
	s.mu.Lock()
	held := s.held
	s.hold, s.held = false, nil
	s.mu.Unlock()
	for _, f := range held {
		f()
	}
}

// benchState is benchCluster with a store.
func benchState(b testing.TB, h cluster.ServerHandlerFunc, store state.Store) *cluster.KindClient {
	b.Helper()
	tr := cluster.NewInMemoryTransport(cluster.MemoryTransportOpts{MaxPending: -1})
	node := cluster.NewNode(cluster.NodeOptions{
		NodeID: "n", Transport: tr, Shards: cluster.ShardsForNode("n", []string{"n"}, 64, ""), NumShards: 64, State: store,
		Kinds: map[string]cluster.ServerHandlerFunc{"till": h}, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
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
	return client.Kind("till")
}

var durably = actor.Durable(actor.Persistence{})

func ask(b testing.TB, of *cluster.ScopedClient, typ string) {
	if _, err := of.RequestRaw(context.Background(), typ, []byte("{}")); err != nil {
		b.Error(err)
	}
}

// BenchmarkDurableRequest is a request to an active key from one caller: what changes nothing,
// what promises that, and what is stored in memory before its reply leaves.
func BenchmarkDurableRequest(b *testing.B) {
	for _, c := range []struct {
		name, typ string
		h         cluster.ServerHandlerFunc
		store     state.Store
	}{
		{"plain", "tillLook", tills(), nil},
		{"unchanged", "tillLook", tills(durably), memstate.New()},
		{"query", "tillQuery", tills(durably), memstate.New()},
		{"stored", "tillPut", tills(durably), memstate.New()},
	} {
		b.Run(c.name, func(b *testing.B) {
			user := benchState(b, c.h, c.store).Key("user-1")
			ask(b, user, c.typ)
			b.ReportAllocs()
			began := processorTime()
			for b.Loop() {
				ask(b, user, c.typ)
			}
			reportProcessor(b, began, b.N)
		})
	}
}

// BenchmarkDurableKey is 64 callers of one key over a store that takes a millisecond: turns that
// wait for their commit, and those that do not.
func BenchmarkDurableKey(b *testing.B) {
	for _, c := range []struct{ name, typ string }{{"waits", "tillWait"}, {"clstr", "tillPut"}} {
		b.Run(c.name, func(b *testing.B) {
			user := benchState(b, tills(durably), &slowly{Store: memstate.New(), takes: time.Millisecond}).Key("user-1")
			ask(b, user, c.typ)
			spread(b, benchCallers, func(int) error { ask(b, user, c.typ); return nil })
		})
	}
}

// BenchmarkDurableIdleKey reports the heap and stack of an active key that has nothing to do.
func BenchmarkDurableIdleKey(b *testing.B) {
	const n = 100_000
	keys := keyNames(n)
	for _, c := range []struct {
		name  string
		h     cluster.ServerHandlerFunc
		store state.Store
	}{{"plain", tills(), nil}, {"clstr", tills(durably), memstate.New()}} {
		b.Run(c.name, func(b *testing.B) {
			kind := benchState(b, c.h, c.store)
			before := inUse()
			for _, k := range keys {
				ask(b, kind.Key(k), "tillLook")
			}
			b.ReportMetric(float64(inUse()-before)/n, "B/key")
			runtime.KeepAlive(kind)
		})
	}
}

// BenchmarkDurableInFlight reports what 10,000 keys hold whose commits the store has yet to
// answer, without their callers, and with what the keeper and the test's store need.
func BenchmarkDurableInFlight(b *testing.B) {
	const n = 10_000
	keys := keyNames(n)
	s := &slowly{Store: memstate.New()}
	kind := benchState(b, tills(durably), s)
	for _, k := range keys {
		ask(b, kind.Key(k), "tillLook")
	}
	s.mu.Lock()
	s.hold, s.held = true, make([]func(), 0, n)
	s.mu.Unlock()
	goroutines, before := runtime.NumGoroutine(), inUse()
	for _, k := range keys {
		if err := kind.Key(k).NotifyRaw(context.Background(), "tillPut", []byte("{}")); err != nil {
			b.Fatal(err)
		}
	}
	for under := 0; under < n; {
		s.mu.Lock()
		under = len(s.held)
		s.mu.Unlock()
		runtime.Gosched()
	}
	b.ReportMetric(float64(inUse()-before)/n, "B/commit")
	b.ReportMetric(float64(runtime.NumGoroutine()-goroutines), "goroutines")
	s.release()
}
