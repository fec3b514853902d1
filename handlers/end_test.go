package handlers_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/handlers"
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
