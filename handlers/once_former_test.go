package handlers_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/handlers"
	"github.com/clstr-go/clstr/internal/hosting"
	"github.com/clstr-go/clstr/transport"
)

type drop struct{ N int } // left open, by a method that panics

// TestAnswersOfAFormerIncarnation: a command whose caller has gone is answered when its
// incarnation has ended. The answer counts for nothing: neither an older state nor none at all
// is stored in place of the newest.
func TestAnswersOfAFormerIncarnation(t *testing.T) {
	for way, end := range map[string]func(*bank){
		"passivated": func(b *bank) { b.pass(3 * time.Hour) },
		"restarted":  func(b *bank) { b.send("k", smash{}) },
		"undone":     func(b *bank) { <-b.send("k", spoil{1}).over },
		"dropped":    func(b *bank) { <-b.sendID("order-2", "k", drop{0}).over },
		"deleted":    func(b *bank) { <-b.send("k", forget{}).over; b.send("k", deposit{6}) },
	} {
		for _, behind := range []time.Duration{0, -1} {
			t.Run(fmt.Sprintf("%s, behind %v", way, behind), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var made []*slow
					def := actor.Define("account", func(string) *slow { made = append(made, &slow{}); return made[len(made)-1] }, actor.Durable(actor.Persistence{Behind: behind}),
						actor.OnRequestLater((*slow).order), actor.OnRequest((*slow).deposit), actor.OnRequest((*slow).look), actor.OnNotify((*slow).smash),
						actor.OnRequest(func(s *slow, _ *actor.Context, m spoil) (int, error) { s.Balance += m.N; return 0, errSpoilt }),
						actor.OnRequest(func(s *slow, c *actor.Context, _ forget) (int, error) { return 0, c.Delete() }),
						actor.OnRequestLater(func(s *slow, _ *actor.Context, _ drop, a actor.Answer[int]) error { s.open = &a; panic("drop") }))
					b := newBank(t, handlers.NewActorHandlerWithOpts(def.New, handlers.Options{IdleAfter: time.Hour}), hosting.Setup{})
					b.want("another command", b.sendID("order-0", "k", deposit{1}), "1")
					data, _ := json.Marshal(order{5})
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					if reply, err := b.call(ctx, transport.Envelope{Type: "order", Key: "k", Data: data, ID: "order-1"}); err == nil {
						t.Fatalf("%s: %q", way, reply)
					}
					end(b)
					synctest.Wait()
					b.want(way+", and a command of the next one", b.sendID("order-3", "k", deposit{10}), "16")
					made[0].open.Reply(6)
					synctest.Wait()
					if n := b.stored("k"); n != 16 {
						t.Errorf("%s, behind %v: %d is stored after the answer, want 16", way, behind, n)
					}
					b.balance("k", 16)
					b.want("a repeat", b.sendID("order-3", "k", deposit{10}), "16")
					b = b.reborn(handlers.NewActorHandler(def.New))
					b.want(way+": a repeat in another process", b.sendID("order-3", "k", deposit{10}), "16")
					b.balance("k", 16)
				})
			})
		}
	}
}
