package handlers_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/clstr-go/clstr/handlers"
	"github.com/clstr-go/clstr/internal/hosting"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/memtransport"
)

// TestChainCallsNextOnce, at each place of a chain.
func TestChainCallsNextOnce(t *testing.T) {
	seen := 0
	through := func(ctx context.Context, _ *handlers.Incoming, next func(context.Context) error) error {
		seen++
		return next(ctx)
	}
	var again []error
	twice := func(ctx context.Context, _ *handlers.Incoming, next func(context.Context) error) error {
		err := next(ctx)
		again = append(again, next(ctx))
		return err
	}
	for i := range 3 {
		chain := []handlers.Around{through, through, through}
		chain[i] = twice
		y := new(tally)
		seen = 0
		h := handlers.NewScopedHandler(handlers.ScopedOptions{
			Extract: func(env transport.Envelope) (string, error) { return env.Key, nil }, Create: y.create, Around: handlers.Chain(chain...),
		})
		if _, err := newNode(t, memtransport.Options{}).serve(t, h, hosting.Setup{}).ask("k", "Get"); err != nil {
			t.Error(err)
		}
		if len(again) != i+1 || again[i] == nil || seen != 2 {
			t.Errorf("at place %d the second call of next returns %v, and the two others are called %d times", i, again, seen)
		}
	}
	if handlers.Chain() != nil || handlers.Chain(nil, nil) != nil {
		t.Error("a chain of none is one")
	}
}

// TestNextThatComesTooLate, when Around has returned, handles nothing.
func TestNextThatComesTooLate(t *testing.T) {
	late := make(chan error, 1)
	detached := func(ctx context.Context, in *hosting.Incoming, next func(context.Context) error) error {
		in.OnAnswer(func(error) {
			go func() { late <- next(context.WithoutCancel(ctx)) }() // ends at once
		})
		return nil
	}
	y := new(tally)
	call := newNode(t, memtransport.Options{}).serve(t, handlers.NewKeyHandler(y.create), hosting.Setup{Around: detached})
	if reply, err := call.ask("k", "Get"); err != nil || reply != "" {
		t.Errorf("got %q, %v", reply, err)
	}
	if err := <-late; err == nil {
		t.Error("next has handled the message")
	}
}

// TestRefusalsBeforeTheTurn do not pass through an Around: those who wait for a key that
// cannot be made are answered.
func TestRefusalsBeforeTheTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		called := false
		h := handlers.NewKeyHandler(func(string) (transport.HandlerFunc, error) { <-gate; return nil, errTooMuch })
		n := newNode(t, memtransport.Options{})
		call := n.serve(t, h, hosting.Setup{Around: func(ctx context.Context, _ *hosting.Incoming, next func(context.Context) error) error {
			called = true
			return next(ctx)
		}})
		answers := make(chan error, 3)
		for range cap(answers) {
			go func() { // ends when the gate opens
				_, err := call.ask("k", "Get")
				answers <- err
			}()
		}
		synctest.Wait()
		close(gate)
		synctest.Wait()
		if len(answers) != cap(answers) {
			t.Fatalf("%d of %d are answered", len(answers), cap(answers))
		}
		for range cap(answers) {
			failed(t, "who waits", <-answers, outcome.ErrActivationFailed, outcome.NotStarted)
		}
		if called {
			t.Error("the Around was called")
		}
		n.end()
	})
}

// TestPanicOfAnAroundStartsTheKeyAnew, as one of the key's own.
func TestPanicOfAnAroundStartsTheKeyAnew(t *testing.T) {
	y := new(tally)
	call := newNode(t, memtransport.Options{}).serve(t, handlers.NewKeyHandler(y.create), hosting.Setup{
		Around: func(ctx context.Context, in *hosting.Incoming, next func(context.Context) error) error {
			if err := next(ctx); err != nil || in.Call().Envelope().Type == "Get" {
				return err
			}
			panic("an Around's")
		},
	})
	for i, msgType := range []string{"Get", "Panic", "Get"} {
		_, err := call.ask("k", msgType)
		if (msgType == "Panic") != errors.Is(err, outcome.ErrPanicked) {
			t.Errorf("message %d: %v", i, err)
		}
	}
	if made := y.madeOf("k").Load(); made != 2 {
		t.Errorf("the key was made %d times", made)
	}
}

// TestWorkOfAnAroundIsTheTurns: an Around that waits gives the worker away, and the next
// message of the key waits for it.
func TestWorkOfAnAroundIsTheTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, memtransport.Options{MaxConcurrentHandlers: 1})
		gate := make(chan struct{})
		asked := n.serve(t, func(context.Context, transport.Envelope) ([]byte, error) { <-gate; return nil, nil }, hosting.Setup{Kind: "gate"})
		y := new(tally)
		call := n.serve(t, handlers.NewKeyHandler(y.create), hosting.Setup{
			Around: func(ctx context.Context, _ *hosting.Incoming, next func(context.Context) error) error {
				if _, err := asked(ctx, transport.Envelope{Key: "g"}); err != nil {
					return err
				}
				return next(ctx)
			},
		})
		done := make(chan error, 2)
		for range 2 {
			go func() { // ends when the gate opens
				_, err := call.ask("k", "Get")
				done <- err
			}()
		}
		synctest.Wait()
		if len(done) != 0 {
			t.Error("answered before the Around has returned")
		}
		close(gate)
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if y.overlap.Load() {
			t.Error("two messages of one key ran at once")
		}
		n.end()
	})
}
