package handlers_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/handlers"
	"github.com/clstr-go/clstr/internal/hosting"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/memtransport"
)

// TestLapsedLease: who waits behind a turn, or for an activation, is told at once
// that another node may own the key.
func TestLapsedLease(t *testing.T) {
	for name, wrap := range wraps {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var lapsed atomic.Bool
				gate := make(chan struct{})
				def := actor.Define("vault", func(string) *vault { return &vault{} },
					actor.OnActivate(func(_ *vault, c *actor.Context) error {
						if c.Key() == "slow" {
							<-c.Done()
						}
						return c.Err()
					}),
					actor.OnRequest((*vault).put),
					actor.OnRequest(func(*vault, *actor.Context, hold) (total, error) { <-gate; return total{}, nil }),
				)
				n := newNode(t, memtransport.Options{})
				env := hosting.Setup{Lapsed: func(uint32) bool { return lapsed.Load() }}
				call := n.serve(t, wrap(handlers.NewActorHandler(def.New)), env)
				ask := func(key, msgType string) <-chan error {
					answer := make(chan error, 1)
					go func() { // ends with the answer
						_, err := call(context.Background(), transport.Envelope{Key: key, Type: msgType, Data: []byte("{}")})
						answer <- err
					}()
					synctest.Wait()
					return answer
				}
				running := ask("k", "hold")
				waiting := map[string]<-chan error{"behind a turn": ask("k", "put"), "for an activation": ask("slow", "put")}
				lapsed.Store(true)
				hosting.LapseShard(n.life, 0)
				for what, answer := range waiting {
					failed(t, what, <-answer, outcome.ErrNotOwner, outcome.NotStarted)
				}
				synctest.Wait()
				failed(t, "a new key", <-ask("new", "put"), outcome.ErrNotOwner, outcome.NotStarted)
				close(gate)
				if err := <-running; err != nil {
					t.Errorf("the turn that ran: %v", err)
				}
				lapsed.Store(false)
				for _, key := range []string{"k", "new"} {
					if err := <-ask(key, "put"); err != nil {
						t.Errorf("key %q with the lease again: %v", key, err)
					}
				}
			})
		})
	}
}

// TestLapsedErrorOfAnActivation that is the application's: the lease is there.
func TestLapsedErrorOfAnActivation(t *testing.T) {
	h := handlers.NewActorHandler(func(string) (actor.Actor, error) { return nil, outcome.ErrNotOwner })
	_, err := newNode(t, memtransport.Options{}).serve(t, h, hosting.Setup{}).ask("k", "Get")
	failed(t, "an activation", err, outcome.ErrActivationFailed, outcome.NotStarted)
	if code := outcome.CodeOf(err); code != "activation_failed" {
		t.Errorf("%v sends the caller elsewhere", err)
	}
}
