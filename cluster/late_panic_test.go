package cluster_test

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
)

// burst ends a key's turn in the way that it names.
type burst struct{ How string }

func (m burst) act() {
	if m.How == "exit" {
		runtime.Goexit()
	}
	panic("boom")
}

// forgetful are entities that never answer watch.
var forgetful = map[string]func() cluster.ServerHandlerFunc{
	"typed": func() cluster.ServerHandlerFunc {
		return cluster.NewActorHandler(actor.Define("e", func(string) *struct{} { return new(struct{}) },
			actor.OnRequestLater(func(*struct{}, *actor.Context, watch, actor.Answer[news]) error { return nil }),
			actor.OnRequest(func(_ *struct{}, _ *actor.Context, m publish) (news, error) { return news(m), nil }),
			actor.OnNotify(func(_ *struct{}, _ *actor.Context, m burst) error { m.act(); return nil })).New)
	},
	"protoactor": func() cluster.ServerHandlerFunc {
		registerBoards()
		return cluster.NewActorHandler(func(string) (actor.Actor, error) {
			return pactor.ReceiveFunc(func(ctx pactor.Context) {
				switch m := ctx.Message().(type) {
				case *publish:
					ctx.Respond(news(*m))
				case *burst:
					m.act()
				}
			}), nil
		})
	},
}

func init() { actor.RegisterMessage[*burst]() }

// TestOwedAnswersOfAKeyThatPanics: an actor that has panicked has forgotten what it
// owes, so that its callers are told at once. They were told at their deadlines.
func TestOwedAnswersOfAKeyThatPanics(t *testing.T) {
	for name, make := range forgetful {
		for _, wrap := range []bool{false, true} {
			for _, live := range []bool{false, true} {
				for _, how := range []string{"panic", "exit"} {
					synctest.Test(t, func(t *testing.T) {
						handler := make()
						if wrap {
							handler = wrapped(handler)
						}
						c := testkit.NewCluster(t, testkit.ClusterOptions{Nodes: 1, NumShards: 2, Live: live, Timing: noLeaseEnds, Handler: handler, Log: quiet})
						if live {
							c.Settle()
						}
						key := c.Client().Key("key")
						owed := [2]chan error{}
						for i := range owed {
							owed[i] = beside(func() error { return asks[watch](t.Context(), key) }) // ends with the answer
						}
						synctest.Wait()
						began := time.Now()
						if err := key.Notify(t.Context(), burst{how}); err != nil {
							t.Fatal(err)
						}
						for _, answer := range owed {
							wantError(t, <-answer, cluster.ErrPanicked, cluster.MaybeRan)
						}
						if took := time.Since(began); took > time.Second {
							t.Errorf("%s, wrapped %v, live %v, %s: told after %v", name, wrap, live, how, took)
						}
						if err := asks[publish](context.Background(), key); err != nil {
							t.Errorf("%s, wrapped %v, live %v, %s: the next incarnation: %v", name, wrap, live, how, err)
						}
					})
				}
			}
		}
	}
}

// beside calls f beside the test.
func beside(f func() error) chan error {
	err := make(chan error, 1)
	go func() { err <- f() }() // ends with f
	return err
}
