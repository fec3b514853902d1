package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clstr-go/clstr/outcome"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/membership/memstore"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport/memtransport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// bulk is a message that is all payload.
type bulk struct{ Data []byte }

// heldBy are handlers of each kind that return when the gate opens.
func heldBy(gate <-chan struct{}) map[string]cluster.ServerHandlerFunc {
	def := actor.Define("slow", func(string) *struct{} { return new(struct{}) },
		actor.OnRequest(func(*struct{}, *actor.Context, bulk) (total, error) { <-gate; return total{1}, nil }))
	return map[string]cluster.ServerHandlerFunc{
		"typed": cluster.NewActorHandler(def.New),
		"protoactor": cluster.NewActorHandler(func(string) (actor.Actor, error) {
			return pactor.ReceiveFunc(func(ctx pactor.Context) {
				if ctx.Sender() != nil {
					<-gate
					ctx.Respond(total{1})
				}
			}), nil
		}),
		"plain": func(context.Context, cluster.Envelope) ([]byte, error) { <-gate; return []byte(`{"Total":1}`), nil },
	}
}

// byteNode is a node with bounds on bytes, and a client of it.
func byteNode(t *testing.T, kind testkit.TransportKind, live bool, opts cluster.NodeOptions) *cluster.Client {
	t.Helper()
	client, node := cluster.Transport(memtransport.New(memtransport.Options{MaxConcurrentHandlers: -1}).WithLog(quiet)), cluster.Transport(nil)
	node = client
	if kind == testkit.NATS {
		url := testkit.StartNATS(t)
		for _, tr := range []*cluster.Transport{&node, &client} {
			made, err := natstransport.Open(t.Context(), natstransport.Options{URL: url, Log: quiet, MaxConcurrentHandlers: -1, MaxBufferedBytes: 4 << 20})
			if err != nil {
				t.Fatal(err)
			}
			*tr = made
		}
	}
	t.Cleanup(func() { _ = errors.Join(client.Close(), node.Close()) })
	opts.NodeID, opts.Transport, opts.NumShards, opts.Shards = "node-1", node, 4, []uint32{0, 1, 2, 3}
	if live {
		opts.Shards, opts.Membership = nil, memstore.New()
	}
	startNode(t, opts)
	return newClient(t, cluster.ClientOptions{Transport: client, NumShards: 4})
}

// TestBytesAreBounded: far more bytes come than a node, or one of its keys, may hold.
// What it has taken is answered; what it has not never began, and says when to try
// again.
func TestBytesAreBounded(t *testing.T) {
	const size, calls, fit = 100 << 10, 50, 20
	for _, kind := range []testkit.TransportKind{testkit.Memory, testkit.NATS} {
		for _, live := range []bool{false, true} {
			for _, handler := range []string{"typed", "protoactor", "plain"} {
				for _, of := range []string{"node", "key"} {
					t.Run(fmt.Sprintf("%v/live=%t/%s/%s", kind, live, handler, of), func(t *testing.T) {
						gate := make(chan struct{})
						open := sync.OnceFunc(func() { close(gate) })
						opts := cluster.NodeOptions{Handler: heldBy(gate)[handler], MaxInFlightBytes: -1, MaxBytesPerKey: -1}
						if of == "node" {
							opts.MaxInFlightBytes = (fit + 1) * size * 4 / 3 // the payload is JSON
						} else {
							opts.MaxBytesPerKey = (fit + 1) * size * 4 / 3
						}
						client := byteNode(t, kind, live, opts)
						t.Cleanup(open)
						data := make([]byte, size)
						var refused, answered atomic.Int32
						var all sync.WaitGroup
						for i := range calls {
							key := "hot"
							if of == "node" {
								key = fmt.Sprint("key-", i)
							}
							all.Go(func() {
								_, err := cluster.NewRequest[bulk, total](client.Key(key)).Request(context.Background(), bulk{data})
								if err == nil {
									answered.Add(1)
									return
								}
								refused.Add(1)
								wantError(t, err, cluster.ErrOverloaded, cluster.OutcomeOf(err))
								if after, ok := outcome.RetryAfter(err); !ok || after <= 0 || !cluster.OutcomeOf(err).NeverRan() {
									t.Errorf("hint %v, %v; %v", after, ok, err)
								}
							})
						}
						waitFor(t, "the rest to be refused", func() bool { return refused.Load() >= calls-fit })
						open()
						all.Wait()
						if answered.Load() == 0 || answered.Load()+refused.Load() != calls {
							t.Errorf("%d were answered, %d refused", answered.Load(), refused.Load())
						}
						if _, err := cluster.NewRequest[bulk, total](client.Key("hot")).Request(t.Context(), bulk{data}); err != nil {
							t.Errorf("afterwards: %v", err)
						}
					})
				}
			}
		}
	}
}

// waitFor asks again and again until ok.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	giveUp := time.After(30 * time.Second)
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for !ok() {
		select {
		case <-again.C:
		case <-giveUp:
			t.Fatalf("waited 30 s for %s", what)
		}
	}
}

// TestHeapStaysUnderTwiceTheBound: 1,500 requests to slow keys, of 90 times what the
// node may hold.
func TestHeapStaysUnderTwiceTheBound(t *testing.T) {
	const size, callers, each, most = 512 << 10, 50, 30, 8 << 20
	testkit.EachTransport(t, func(t *testing.T, kind testkit.TransportKind) {
		gate := make(chan struct{})
		open := sync.OnceFunc(func() { close(gate) })
		client := byteNode(t, kind, false, cluster.NodeOptions{Handler: heldBy(gate)["plain"], MaxInFlightBytes: most})
		t.Cleanup(open)
		data := make([]byte, size)
		before := heap()
		var refused atomic.Int32
		var all sync.WaitGroup
		for range callers {
			all.Go(func() {
				for i := range each {
					if _, err := client.RequestKey(context.Background(), fmt.Sprint("key-", i), "Bulk", data); err != nil {
						refused.Add(1)
					}
				}
			})
		}
		waitFor(t, "callers who are not held to have had their turn", func() bool { return refused.Load() >= (callers-most/size)*each })
		waitFor(t, "the heap to be under twice what the node may hold", func() bool { return heap()-before <= 2*most })
		open()
		all.Wait()
	})
}

// heap is what is reachable.
func heap() int64 {
	runtime.GC()
	runtime.GC() // pools give back at the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
