package handlers_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/handlers"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/memtransport"
)

// visits is an entity that counts its messages.
type visits struct{ n int }

type visit struct{}

func (v *visits) visit(c *actor.Context, _ visit) (string, error) {
	v.n++
	return fmt.Sprint(c.Kind(), " ", v.n), nil
}

func (c caller) visit(t testing.TB, want string) {
	t.Helper()
	reply, err := c(context.Background(), transport.Envelope{Key: "k", Type: "visit", Data: []byte("{}")})
	if err != nil || string(reply) != `"`+want+`"` {
		t.Errorf("got %s, %v, want %q", reply, err, want)
	}
}

// newVisits makes a handler that counts how many entities have ended.
func newVisits() (h transport.HandlerFunc, ended *atomic.Int64) {
	ended = new(atomic.Int64)
	def := actor.Define("visits", func(string) *visits { return &visits{} },
		actor.OnRequest((*visits).visit),
		actor.OnPassivate(func(*visits, *actor.Context) error { ended.Add(1); return nil }),
	)
	return handlers.NewActorHandler(def.New), ended
}

func unwrapped(h transport.HandlerFunc) transport.HandlerFunc { return h }

var wraps = map[string]func(transport.HandlerFunc) transport.HandlerFunc{"direct": unwrapped, "wrapped": wrapped}

// TestOneFuncOnTwoNodes: each node has its own actors, which end with it.
func TestOneFuncOnTwoNodes(t *testing.T) {
	for name, wrap := range wraps {
		t.Run(name, func(t *testing.T) {
			inner, ended := newVisits()
			h := wrap(inner)
			a, b := newNode(t, memtransport.Options{}), newNode(t, memtransport.Options{})
			onA, onB := a.serve(t, h, handlers.Env{}), b.serve(t, h, handlers.Env{})
			onA.visit(t, " 1")
			onB.visit(t, " 1")
			onA.visit(t, " 2")
			a.end()
			if n := ended.Load(); n != 1 {
				t.Errorf("%d entities have ended with one node", n)
			}
			onB.visit(t, " 2")
			b.end()
			if n := ended.Load(); n != 2 {
				t.Errorf("%d entities have ended with both nodes", n)
			}
		})
	}
}

// TestOneFuncForTwoKinds: equal keys of two kinds are two actors.
func TestOneFuncForTwoKinds(t *testing.T) {
	for name, wrap := range wraps {
		t.Run(name, func(t *testing.T) {
			inner, ended := newVisits()
			h := wrap(inner)
			n := newNode(t, memtransport.Options{})
			seen := newCensus()
			none := n.serve(t, h, handlers.Env{Observer: seen})
			order := n.serve(t, h, handlers.Env{Kind: "order", Observer: seen})
			user := n.serve(t, h, handlers.Env{Kind: "user", Observer: seen})
			for i := 1; i <= 2; i++ {
				order.visit(t, fmt.Sprint("order ", i))
				user.visit(t, fmt.Sprint("user ", i))
				none.visit(t, fmt.Sprint(" ", i))
			}
			for _, kind := range []string{"", "order", "user"} {
				if got := seen.get(seen.activated, kind); got != 1 {
					t.Errorf("kind %q: %d activations were told", kind, got)
				}
			}
			n.end()
			if got := ended.Load(); got != 3 {
				t.Errorf("%d entities have ended", got)
			}
			for _, kind := range []string{"", "order", "user"} {
				if got := seen.get(seen.passivated, kind); got != 1 {
					t.Errorf("kind %q: %d passivations were told", kind, got)
				}
			}
		})
	}
}

// TestKindsFromTheWireMakeNoHosts where no node says which kinds there are.
func TestKindsFromTheWireMakeNoHosts(t *testing.T) {
	h, _ := newVisits()
	n := newNode(t, memtransport.Options{})
	if _, err := n.tr.SubscribeShard(t.Context(), 0, h); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		env := transport.Envelope{Kind: fmt.Sprint("kind-", i), Key: "k", Type: "visit", Data: []byte("{}")}
		reply, err := n.tr.Request(t.Context(), env)
		if want := fmt.Sprintf(`" %d"`, i+1); err != nil || string(reply) != want {
			t.Errorf("got %s, %v, want %s", reply, err, want)
		}
	}
}

// TestNestedMiddleware: one place for a handler is enough, since those that
// wait for their actor give it up.
func TestNestedMiddleware(t *testing.T) {
	h := wrapped(wrapped(handlers.NewKeyHandler(new(tally).create)))
	call := newNode(t, memtransport.Options{MaxConcurrentHandlers: 1}).serve(t, h, handlers.Env{})
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			if _, err := call.ask(fmt.Sprint("key-", i%7), "Get"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// TestCheck: a sender that does not say how it maps keys cannot activate a key
// in the wrong shard, whether the handler is wrapped or not.
func TestCheck(t *testing.T) {
	errWrong := transport.Errorf(transport.ErrLayoutMismatch, "key of another shard")
	env := handlers.Env{Check: func(_ uint32, key string) error {
		if key == "elsewhere" {
			return errWrong
		}
		return nil
	}}
	for name, wrap := range wraps {
		t.Run(name, func(t *testing.T) {
			y := new(tally)
			call := newNode(t, memtransport.Options{}).serve(t, wrap(handlers.NewKeyHandler(y.create)), env)
			if _, err := call.ask("here", "Get"); err != nil {
				t.Error(err)
			}
			_, err := call.ask("elsewhere", "Get")
			if !errors.Is(err, transport.ErrLayoutMismatch) {
				t.Errorf("got %v", err)
			}
			if n := y.madeOf("elsewhere").Load(); n != 0 {
				t.Errorf("the key was made %d times", n)
			}
		})
	}
	// What a middleware puts in is its own.
	y := new(tally)
	inner := handlers.NewKeyHandler(y.create)
	call := newNode(t, memtransport.Options{}).serve(t, func(ctx context.Context, env transport.Envelope) ([]byte, error) {
		env.Key = "elsewhere"
		return inner(ctx, env)
	}, env)
	if reply, err := call.ask("here", "Get"); err != nil || reply != "elsewhere" {
		t.Errorf("a key of the middleware's: got %q, %v", reply, err)
	}
	// A scoped handler's keys are not the client's.
	scoped := handlers.NewScopedHandler(handlers.ScopedHandlerOpts{
		Extract: func(transport.Envelope) (string, error) { return "elsewhere", nil }, Create: y.create,
	})
	refuse := handlers.Env{Check: func(uint32, string) error { return errWrong }}
	for name, wrap := range wraps {
		call = newNode(t, memtransport.Options{}).serve(t, wrap(scoped), refuse)
		if _, err := call.ask("here", "Get"); err != nil {
			t.Errorf("a scoped handler, %s: %v", name, err)
		}
	}
}

// TestStopTimeout bounds the end of all of a node's handlers together.
func TestStopTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		def := actor.Define("stuck", func(string) *visits { return &visits{} },
			actor.OnRequest((*visits).visit),
			actor.OnPassivate(func(*visits, *actor.Context) error { <-release; return nil }),
		)
		n := newNode(t, memtransport.Options{})
		for _, kind := range []string{"a", "b", "c"} {
			env := handlers.Env{Kind: kind, StopTimeout: time.Second}
			n.serve(t, wrapped(handlers.NewActorHandler(def.New)), env).visit(t, kind+" 1")
		}
		start := time.Now()
		n.end()
		if took := time.Since(start); took != time.Second {
			t.Errorf("the end took %v, want 1s", took)
		}
		close(release)
		synctest.Wait()
	})
}

// TestEndRacesWithCalls: each is answered, and none panics.
func TestEndRacesWithCalls(t *testing.T) {
	for name, wrap := range wraps {
		t.Run(name, func(t *testing.T) {
			h, _ := newVisits()
			n := newNode(t, memtransport.Options{})
			call := n.serve(t, wrap(h), handlers.Env{})
			var wg sync.WaitGroup
			for i := range 32 {
				wg.Go(func() {
					for {
						_, err := call(context.Background(), transport.Envelope{Key: fmt.Sprint(i), Type: "visit", Data: []byte("{}")})
						switch {
						case err == nil:
							continue
						case !errors.Is(err, transport.ErrDraining) && !errors.Is(err, transport.ErrTransportNoShardSubscriber):
							t.Errorf("got %v", err)
						}
						return
					}
				})
			}
			n.life.End()
			wg.Wait()
		})
	}
}

// TestPlainFuncsCostNoActorSystem, which is large.
func TestPlainFuncsCostNoActorSystem(t *testing.T) {
	echo := func(_ context.Context, env transport.Envelope) ([]byte, error) { return env.Data, nil }
	cost := func(h transport.HandlerFunc) float64 {
		return testing.AllocsPerRun(3, func() {
			d := transport.NewDispatcher(transport.Limits{}, quiet)
			life := transport.NewLifetime(quiet, d)
			handlers.Bind(h, life, handlers.Env{})
			life.End()
			_ = d.Close()
		})
	}
	if plain, keyed := cost(echo), cost(handlers.NewKeyHandler(new(tally).create)); plain > keyed/10 {
		t.Errorf("a plain func costs %v allocations, one that hosts keys %v", plain, keyed)
	}
}

// TestBindRefusesOthers: funcs that are not of this package, and none.
func TestBindRefusesOthers(t *testing.T) {
	n := newNode(t, memtransport.Options{})
	echo := func(_ context.Context, env transport.Envelope) ([]byte, error) { return env.Data, nil }
	called := false
	for name, h := range map[string]transport.HandlerFunc{
		"nil": nil, "a func": echo, "a wrapped handler": wrapped(handlers.NewKeyHandler(new(tally).create)),
		"one that notes calls": func(context.Context, transport.Envelope) ([]byte, error) { called = true; return nil, nil },
	} {
		if _, ok := handlers.Bind(h, n.life, handlers.Env{}); ok {
			t.Errorf("%s was bound", name)
		}
	}
	if called {
		t.Error("a foreign func was called")
	}
}

// TestWrappedNotificationEnds: a node's end does not wait for ever for a
// handler that hangs, whatever stands before it.
func TestWrappedNotificationEnds(t *testing.T) {
	for name, wrap := range wraps {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := wrap(handlers.NewKeyHandler(func(string) (transport.HandlerFunc, error) {
					return func(ctx context.Context, _ transport.Envelope) ([]byte, error) {
						<-ctx.Done()
						return nil, ctx.Err()
					}, nil
				}))
				n := newNode(t, memtransport.Options{HandlerTimeout: time.Second})
				call := n.serve(t, h, handlers.Env{})
				if err := notify(call, transport.Envelope{Key: "k", Type: "Hang"}); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				start := time.Now()
				n.end()
				if took := time.Since(start); took > time.Second {
					t.Errorf("the end took %v", took)
				}
			})
		})
	}
}
