//go:build !race

// The race detector makes a sync.Pool lose things on purpose, so that what is
// reused is made anew. The gate runs this file by itself (make norace).

package cluster_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/memstate"
)

// TestAllocationsOfARequest in one process: the context that the handler may keep, and the reply. Raw bytes are copied both ways
// into one piece of memory. A protobuf message has two more, the caller's own and the handler's own. If the handler asks another key,
// its turn comes on top. If the handler asks with a context made from its own, what the standard library allocates for that context
// comes on top too.
func TestAllocationsOfARequest(t *testing.T) {
	for i, f := range append(forms(64), forms(1024)...) {
		most := map[string]float64{"clstr": 2, "clstr-json": 2, "clstr-proto": 4}[f.name]
		t.Run(f.name+"/"+sized(sizes[i/3]), func(t *testing.T) {
			var client *cluster.Client
			client = serve(t, f.handle(does{first: func(key string) func(context.Context) error {
				switch key {
				case "asks":
					return func(ctx context.Context) error { return f.ask(ctx, client.Key("k")) }
				case "derives":
					return func(ctx context.Context) error {
						ctx, cancel := context.WithTimeout(ctx, time.Hour)
						defer cancel()
						return f.ask(ctx, client.Key("k"))
					}
				}
				return nil
			}}))
			for key, most := range map[string]float64{"k": most, "asks": 2*most + 2, "derives": 2*most + 16} {
				to := client.Key(key)
				ask := func() {
					if err := f.ask(context.Background(), to); err != nil {
						t.Fatal(err)
					}
				}
				ask()
				if n := testing.AllocsPerRun(2000, ask); n > most {
					t.Errorf("a request to %q: %v allocations, and not %v", key, n, most)
				}
			}
		})
	}
}

// TestAllocationsOfAnAsk: the interface that holds the message, which is the caller's, and the context that the handler may keep.
// The memory of the reply comes back, because Ask returns a value.
func TestAllocationsOfAnAsk(t *testing.T) {
	to := serve(t, typedKeys(does{})).Key("k")
	for _, size := range sizes {
		s := strings.Repeat("a", size)
		ask := func() {
			if got, err := clstr.Ask[text](context.Background(), to, text{s}); err != nil || got.Text != s {
				t.Fatal(err)
			}
		}
		ask()
		if n := testing.AllocsPerRun(2000, ask); n > 2 {
			t.Errorf("%d bytes: %v allocations, and not 2", size, n)
		}
	}
}

// TestAllocationsOfATell in one process: the context that the handler may keep, and raw bytes. The memory of a typed message comes
// back. The options of a call cost none.
func TestAllocationsOfATell(t *testing.T) {
	noAck := cluster.WithoutAck()
	for i, f := range forms(64)[:2] {
		most := []float64{2, 1}[i]
		t.Run(f.name, func(t *testing.T) {
			handled := make(chan struct{}, 1)
			to := serve(t, f.handle(does{note: func() { handled <- struct{}{} }})).Key("k")
			for name, tell := range [2]map[string]func() error{{ // not the form's: options that go through a func value are allocated
				"without an ack": func() error { return to.NotifyRaw(context.Background(), "Note", payload, noAck) },
				"with an ack":    func() error { return to.NotifyRaw(context.Background(), "Note", payload) },
			}, {
				"without an ack": func() error { return to.Notify(context.Background(), textNote{"a text"}, noAck) },
				"with an ack":    func() error { return clstr.Tell(context.Background(), to, textNote{"a text"}) },
			}}[i] {
				if n := testing.AllocsPerRun(2000, func() {
					if err := tell(); err != nil {
						t.Fatal(err)
					}
					<-handled
				}); n > most {
					t.Errorf("%s: %v allocations, and not %v", name, n, most)
				}
			}
		})
	}
}

// TestAllocationsOfATellInMemory: a notification that waits for its acceptance allocates two contexts. One ends it with its service, the
// other is the handler's.
func TestAllocationsOfATellInMemory(t *testing.T) {
	handled := make(chan struct{}, 1)
	def := actor.Define("told", func(string) *struct{} { return &struct{}{} },
		actor.OnNotify(func(*struct{}, *actor.Context, textNote) error { handled <- struct{}{}; return nil }))
	svc, err := clstr.Open(t.Context(), clstr.Options{Name: "told", On: clstr.Memory(), Entities: clstr.Host(def), Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer svc.Close(context.Background())
	to := svc.Key(def, "k")
	if n := testing.AllocsPerRun(2000, func() {
		if err := clstr.Tell(context.Background(), to, textNote{"a text"}); err != nil {
			t.Fatal(err)
		}
		<-handled
	}); n > 3 { // what the node does meanwhile allocates, too
		t.Errorf("%v allocations, and not 2, or 3 with those of the node", n)
	}
}

// TestAllocationsOfTheFirstRequest of a key: its cell, its actor with what protoactor makes for it, the hook of its
// activation, and the request.
func TestAllocationsOfTheFirstRequest(t *testing.T) {
	for _, f := range forms(64) {
		most := map[string]float64{"clstr": 15, "clstr-json": 15, "clstr-proto": 17}[f.name] // the maps that grow take a part of one
		t.Run(f.name, func(t *testing.T) {
			client := serve(t, f.handle(does{}))
			keys := keyNames(2001)
			n := testing.AllocsPerRun(len(keys)-1, func() {
				key := keys[0]
				keys = keys[1:]
				if err := f.ask(context.Background(), client.Key(key)); err != nil {
					t.Fatal(err)
				}
			})
			if n > most {
				t.Errorf("%v allocations, and not %v", n, most)
			}
		})
	}
}

// TestAllocationsOfADurableRequest in one process: what changes nothing allocates no more at a durable entity than at a
// plain one.
func TestAllocationsOfADurableRequest(t *testing.T) {
	of := func(h cluster.ServerHandlerFunc, store state.Store, typ string, typed bool) float64 {
		to := benchState(t, h, store).Key("k")
		look, query := cluster.NewRequest[tillLook, int64](to), cluster.NewRequest[tillQuery, int64](to)
		again := func() {
			var err error
			switch {
			case !typed:
				ask(t, to, typ)
			case typ == "tillLook":
				_, err = look.Request(t.Context(), tillLook{})
			default:
				_, err = query.Request(t.Context(), tillQuery{})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		again()
		return testing.AllocsPerRun(2000, again)
	}
	for _, typed := range []bool{false, true} {
		most := of(tills(), nil, "tillLook", typed)
		for _, typ := range []string{"tillLook", "tillQuery"} {
			if n := of(tills(durably), memstate.New(), typ, typed); n > most {
				t.Errorf("%s, typed %v: %v allocations, and a plain entity has %v", typ, typed, n, most)
			}
		}
	}
}
