package handlers_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/handlers"
	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/host"
	"github.com/clstr-go/clstr/internal/hosting"
	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/memtransport"
)

// TestHookTimeout: at the limit the caller knows that nothing ran; later ones are
// refused at once, until the hook returns.
func TestHookTimeout(t *testing.T) {
	byKey := func(env transport.Envelope) (string, error) { return env.Key, nil }
	for name, c := range map[string]struct {
		make func(create func(key string) (transport.HandlerFunc, error)) transport.HandlerFunc
		want time.Duration // 0 is none
	}{
		"key": {handlers.NewKeyHandler, host.DefaultHookTimeout},
		"scoped, 1s": {func(create func(string) (transport.HandlerFunc, error)) transport.HandlerFunc {
			return handlers.NewScopedHandler(handlers.ScopedOptions{Extract: byKey, Create: create, HookTimeout: time.Second})
		}, time.Second},
		"scoped, -1": {func(create func(string) (transport.HandlerFunc, error)) transport.HandlerFunc {
			return handlers.NewScopedHandler(handlers.ScopedOptions{Extract: byKey, Create: create, HookTimeout: -1})
		}, 0},
		"actor, 1s": {actorsOf(time.Second), time.Second},
		"actor, -1": {actorsOf(-1), 0},
	} {
		for form, wrap := range wraps {
			t.Run(name+", "+form, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					gate := make(chan struct{})
					y := new(tally)
					h := c.make(func(key string) (transport.HandlerFunc, error) {
						if key == "slow" {
							<-gate
						}
						return y.create(key)
					})
					seen := newCensus()
					call := newNode(t, memtransport.Options{HandlerTimeout: -1}).serve(t, wrap(h), hosting.Setup{Observer: seen})
					first := make(chan error, 1)
					began := time.Now()
					go func() { // ends with the answer
						_, err := call.ask("slow", "Get")
						first <- err
					}()
					if c.want == 0 {
						time.Sleep(24 * time.Hour) // virtual
						close(gate)
						if err := <-first; err != nil {
							t.Errorf("without a limit: %v", err)
						}
						return
					}
					failed(t, "at the limit", <-first, outcome.ErrActivationFailed, outcome.NotStarted)
					if took := time.Since(began); took != c.want {
						t.Errorf("told after %v, want %v", took, c.want)
					}
					_, err := call.ask("slow", "Get")
					stuck(t, "a request", err)
					stuck(t, "a notification", notify(call, transport.Envelope{Key: "slow", Type: "Get"}))
					if took := time.Since(began); took != c.want {
						t.Errorf("refused after %v", took)
					}
					if n := seen.get(seen.refused, ""); n != 2 {
						t.Errorf("%d refusals were counted", n)
					}
					if _, err := call.ask("other", "Get"); err != nil {
						t.Errorf("a neighbour: %v", err)
					}
					close(gate)
					synctest.Wait()
					if reply, err := call.ask("slow", "Get"); err != nil || reply != "slow" {
						t.Errorf("afterwards: %q, %v", reply, err)
					}
				})
			})
		}
	}
}

// actorsOf makes handlers of actors over the same funcs.
func actorsOf(limit time.Duration) func(func(string) (transport.HandlerFunc, error)) transport.HandlerFunc {
	return func(create func(string) (transport.HandlerFunc, error)) transport.HandlerFunc {
		y := new(tally)
		return handlers.NewActorHandlerWithOpts(func(key string) (actor.Actor, error) {
			if _, err := create(key); err != nil {
				return nil, err
			}
			return y.asActor(key)
		}, handlers.Options{HookTimeout: limit})
	}
}

// stuck fails the test unless err says that a hook of the key "slow" hangs.
func stuck(t testing.TB, what string, err error) {
	t.Helper()
	failed(t, what, err, outcome.ErrOverloaded, outcome.NotStarted)
	if after, ok := outcome.RetryAfter(err); !ok || after != time.Second {
		t.Errorf("%s: a hint of %v", what, after)
	}
	if err != nil && !strings.Contains(err.Error(), `a hook of key "slow" takes too long`) {
		t.Errorf("%s: %q does not say why", what, err)
	}
}

// TestStuckPassivation: what has come meanwhile is refused when the time is up.
func TestStuckPassivation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		def := actor.Define("stuck", func(string) *visits { return &visits{} },
			actor.OnRequest((*visits).visit),
			actor.OnPassivate(func(*visits, *actor.Context) error { <-gate; return nil }),
			actor.PassivateAfter(time.Minute),
		)
		h := handlers.NewActorHandlerWithOpts(def.New, handlers.Options{HookTimeout: 5 * time.Minute})
		call := newNode(t, memtransport.Options{}).serve(t, h, hosting.Setup{})
		visit := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			_, err := call(ctx, transport.Envelope{Key: "slow", Type: "visit", Data: []byte("{}")})
			return err
		}
		if err := visit(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute) // virtual; it is being passivated
		began := time.Now()
		stuck(t, "who waits", visit())
		if took := time.Since(began); took <= 0 || took > 5*time.Minute {
			t.Errorf("told after %v", took)
		}
		stuck(t, "who comes", visit())
		close(gate)
		synctest.Wait()
		if err := visit(); err != nil {
			t.Errorf("the next incarnation: %v", err)
		}
	})
}

// TestFewLinesForFailedNotifications, and not one of the entity's beside the
// node's.
func TestFewLinesForFailedNotifications(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		tr := memtransport.New(memtransport.Options{})
		life := dispatch.NewLifetime(slog.New(slog.NewTextHandler(&log, nil)), dispatch.DispatcherOf(tr))
		def := actor.Define("visits", func(string) *visits { return &visits{} },
			actor.OnNotify(func(*visits, *actor.Context, visit) error { return errors.New("no room") }),
		)
		r, ok := hosting.Bind(handlers.NewActorHandler(def.New), life, hosting.Setup{})
		if !ok {
			t.Fatal("not bound")
		}
		if _, err := tr.Backend().Subscribe(life.Context(), 0, dispatch.Subscriber{Receiver: r}); err != nil {
			t.Fatal(err)
		}
		const each = 100
		for second := range 3 {
			for range each {
				env := transport.Envelope{Key: fmt.Sprint("k-", second), Type: "visit", Data: []byte("{}"), Delivery: transport.AwaitAccept}
				if _, err := tr.Request(t.Context(), env); err != nil {
					t.Error(err)
				}
			}
			synctest.Wait()
			time.Sleep(time.Second) // virtual
			synctest.Wait()
			if n, most := strings.Count(log.String(), "notification failed"), (second+1)*(sparse.PerSecond+1); n != most {
				t.Errorf("second %d: %d lines, want %d:\n%s", second, n, most, &log)
			}
		}
		for _, part := range []string{"no room", fmt.Sprint("skipped=", each-sparse.PerSecond), "shard=0 key=k-1"} {
			if !strings.Contains(log.String(), part) {
				t.Errorf("the log does not say %s:\n%s", part, &log)
			}
		}
		life.End()
		_ = tr.Close()
	})
}
