package handlers_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/handlers"
	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/hosting"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/memtransport"
)

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
			env := hosting.Setup{Kind: kind, StopTimeout: time.Second}
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

// TestAHostThatDoesNotStopInTime: its stop hooks are told by the end of their context,
// and the node's end and its log name the keys that were waited for in vain.
func TestAHostThatDoesNotStopInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		began, told := time.Now(), time.Duration(0)
		def := actor.Define("stuck", func(string) *visits { return &visits{} },
			actor.OnRequest((*visits).visit),
			actor.OnPassivate(func(_ *visits, c *actor.Context) error {
				<-c.Done()
				told = time.Since(began)
				return c.Err()
			}),
		)
		tr := memtransport.New(memtransport.Options{})
		life := dispatch.NewLifetime(slog.New(slog.NewTextHandler(&log, nil)), dispatch.DispatcherOf(tr))
		h := handlers.NewActorHandlerWithOpts(def.New, handlers.Options{HookTimeout: -1})
		r, ok := hosting.Bind(h, life, hosting.Setup{Kind: "stuck", StopTimeout: 3 * time.Second})
		if !ok {
			t.Fatal("not bound")
		}
		sub, err := tr.Backend().Subscribe(life.Context(), 5, dispatch.Subscriber{Receiver: r})
		if err != nil {
			t.Fatal(err)
		}
		env := transport.Envelope{Shard: 5, Kind: "stuck", Key: "k", Type: "visit", Data: []byte("{}")}
		if _, err := tr.Request(t.Context(), env); err != nil {
			t.Fatal(err)
		}
		if err := sub.Unsubscribe(); err != nil {
			t.Fatal(err)
		}
		began = time.Now()
		err = life.End()
		synctest.Wait()
		if err == nil || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), `key "k" (passivation for 3s)`) {
			t.Errorf("the end says %v, want the key that has not stopped in 3 s", err)
		}
		if told != 3*time.Second {
			t.Errorf("the hook's context ended after %v, want 3 s", told)
		}
		if text := log.String(); !strings.Contains(text, "keys are still running") {
			t.Errorf("the log says nothing of it: %s", text)
		}
		_ = tr.Close()
	})
}

// TestEndRacesWithCalls: each is answered, and none panics.
func TestEndRacesWithCalls(t *testing.T) {
	for name, wrap := range wraps {
		t.Run(name, func(t *testing.T) {
			h, _ := newVisits()
			n := newNode(t, memtransport.Options{})
			call := n.serve(t, wrap(h), hosting.Setup{})
			var wg sync.WaitGroup
			for i := range 32 {
				wg.Go(func() {
					for {
						_, err := call(context.Background(), transport.Envelope{Key: fmt.Sprint(i), Type: "visit", Data: []byte("{}")})
						switch {
						case err == nil:
							continue
						case !errors.Is(err, outcome.ErrDraining) && !errors.Is(err, outcome.ErrTransportNoShardSubscriber):
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
				call := n.serve(t, h, hosting.Setup{})
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
