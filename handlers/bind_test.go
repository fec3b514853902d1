package handlers_test

import (
	"context"
	"testing"

	"github.com/clstr-go/clstr/handlers"
	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/hosting"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/memtransport"
)

// TestPlainFuncsCostNoActorSystem, which is large.
func TestPlainFuncsCostNoActorSystem(t *testing.T) {
	echo := func(_ context.Context, env transport.Envelope) ([]byte, error) { return env.Data, nil }
	cost := func(h transport.HandlerFunc) float64 {
		return testing.AllocsPerRun(3, func() {
			d := dispatch.NewDispatcher(transport.Limits{}, quiet)
			life := dispatch.NewLifetime(quiet, d)
			hosting.Bind(h, life, hosting.Setup{})
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
		if _, ok := hosting.Bind(h, n.life, hosting.Setup{}); ok {
			t.Errorf("%s was bound", name)
		}
	}
	if called {
		t.Error("a foreign func was called")
	}
}

// TestCheck: a sender that does not say how it maps keys cannot activate a key
// in the wrong shard, whether the handler is wrapped or not.
func TestCheck(t *testing.T) {
	errWrong := outcome.Errorf(outcome.ErrLayoutMismatch, "key of another shard")
	env := hosting.Setup{Check: func(_ uint32, key string) *outcome.Error {
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
			failed(t, "a request", err, outcome.ErrLayoutMismatch, outcome.NotStarted)
			err = notify(call, transport.Envelope{Key: "elsewhere", Type: "Get"})
			failed(t, "a notification", err, outcome.ErrLayoutMismatch, outcome.NotStarted)
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
	scoped := handlers.NewScopedHandler(handlers.ScopedOptions{
		Extract: func(transport.Envelope) (string, error) { return "elsewhere", nil }, Create: y.create,
	})
	refuse := hosting.Setup{Check: func(uint32, string) *outcome.Error { return errWrong }}
	for name, wrap := range wraps {
		call = newNode(t, memtransport.Options{}).serve(t, wrap(scoped), refuse)
		if _, err := call.ask("here", "Get"); err != nil {
			t.Errorf("a scoped handler, %s: %v", name, err)
		}
	}
}
