package cluster_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	turns "github.com/clstr-go/clstr/internal/turn"
)

// lookedAt is a context that counts how often it is asked. An HTTP server puts five contexts around each other, and each
// question walks through all of them.
type lookedAt struct {
	context.Context
	values, deadlines atomic.Int64
}

func (a *lookedAt) Value(key any) any { a.values.Add(1); return a.Context.Value(key) }

func (a *lookedAt) Deadline() (time.Time, bool) { a.deadlines.Add(1); return a.Context.Deadline() }

// TestAContextIsAskedSeldom: outside of turns, the client and the node ask a context once each whether it is a turn's.
func TestAContextIsAskedSeldom(t *testing.T) {
	f := forms(64)[0]
	to := serve(t, f.handle(does{note: func() {}})).Key("k")
	far, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	for what, base := range map[string]context.Context{"no deadline": context.Background(), "a deadline": far} {
		for kind, call := range map[string]func(context.Context) error{
			"request":   func(ctx context.Context) error { return f.ask(ctx, to) },
			"tell":      func(ctx context.Context) error { return f.tell(ctx, to, cluster.WithoutAck()) },
			"async":     func(ctx context.Context) error { return to.NotifyRawAsync(ctx, "Note", nil).Wait(ctx) },
			"with acks": func(ctx context.Context) error { return f.tell(ctx, to) },
		} {
			ctx := &lookedAt{Context: base}
			if err := call(ctx); err != nil {
				t.Fatal(err)
			}
			most := int64(2)
			if kind == "with acks" { // it gets a deadline, and a context made from one asks it for its parent
				most = 3
			}
			ends := map[string]int64{"request": 2, "with acks": 2}[kind] // a tell lives on when its sender has gone
			if v, d := ctx.values.Load(), ctx.deadlines.Load(); v > most || d > ends {
				t.Errorf("%s, %s: asked for %d values and %d times for the deadline", kind, what, v, d)
			}
		}
	}
}

// TestAllTurnsAreInside: what the calls of a turn must know of it is looked for only if its context says that it is one.
func TestAllTurnsAreInside(t *testing.T) {
	type key struct{}
	in := make(chan string, 10)
	inside := func(what string, ctx context.Context) {
		derived, cancel := context.WithCancel(context.WithValue(ctx, key{}, 1))
		defer cancel()
		if !turns.Inside(ctx) || !turns.Inside(derived) || !turns.Inside(context.WithoutCancel(ctx)) {
			t.Errorf("the context of %s is not inside", what)
		}
		in <- what
	}
	if turns.Inside(t.Context()) {
		t.Error("the test's context is a turn's")
	}
	hook := func(what string) func(*struct{}, *actor.Context) error {
		return func(_ *struct{}, c *actor.Context) error { inside(what, c); return nil }
	}
	def := actor.Define("all", func(string) *struct{} { return new(struct{}) },
		actor.OnRequest(func(_ *struct{}, c *actor.Context, m text) (text, error) {
			inside("a method", c)
			c.Passivate()
			return m, nil
		}),
		actor.OnActivate(hook("OnActivate")), actor.OnPassivate(hook("OnPassivate")))
	around := func(ctx context.Context, _ *cluster.Incoming, next func(context.Context) error) error {
		inside("an Around", ctx)
		return next(ctx)
	}
	call := func(h cluster.ServerHandlerFunc, wants ...string) {
		t.Helper()
		if _, err := cluster.NewRequest[text, text](serve(t, h).Key("k")).Request(t.Context(), text{}); err != nil {
			t.Error(err)
		}
		for _, want := range wants {
			if got := <-in; got != want {
				t.Errorf("%s was asked, want %s", got, want)
			}
		}
	}
	call(cluster.NewActorHandlerWithOpts(def.New, cluster.HandlerOptions{Around: around}), "OnActivate", "an Around", "a method", "OnPassivate")
	call(func(ctx context.Context, env cluster.Envelope) ([]byte, error) {
		inside("a func", ctx)
		return env.Data, nil
	}, "a func")
	call(cluster.NewKeyHandler(func(string) (cluster.ServerHandlerFunc, error) {
		return func(ctx context.Context, env cluster.Envelope) ([]byte, error) {
			inside("a func of a key", ctx)
			return env.Data, nil
		}, nil
	}), "a func of a key")
}
