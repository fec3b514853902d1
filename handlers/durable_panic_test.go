package handlers_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/handlers"
	"github.com/clstr-go/clstr/internal/hosting"
	"github.com/clstr-go/clstr/internal/turn"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/state"
)

// TestWhatPanicsWaits: the news of a panic is an answer like any other. It was computed from a state, and
// waits until that is stored.
func TestWhatPanicsWaits(t *testing.T) {
	around := func(ctx context.Context, _ *handlers.Incoming, next func(context.Context) error) error {
		return next(ctx)
	}
	for _, o := range []handlers.Options{{}, {Around: around}} {
		inEachBank(t, actor.Persistence{}, o, func(b *bank) {
			for _, id := range []string{"", "order-1"} {
				b.set(func(s *shelf) { s.hold = true })
				first, second, third := b.send("k", deposit{5}), b.sendID(id, "k", burst{100}), b.send("k", look{})
				b.want("a change", first, "")
				b.want("a panic after it", second, "")
				b.want("a look after that", third, "")
				b.release()
				b.want("the change", first, "5")
				b.fails("the panic", second, outcome.ErrPanicked, outcome.MaybeRan)
				b.want("the look", third, "5")
				b.fails("a panic at rest", b.sendID(id, "k", burst{100}), outcome.ErrPanicked, outcome.MaybeRan)

				first, second = b.send("k", deposit{5}), b.sendID(id, "k", burst{100})
				b.set(func(s *shelf) { s.refuse, s.hold = state.ErrFull, false })
				b.release()
				b.fails("a change that is refused", first, outcome.ErrNotStored, outcome.RanAndFailed)
				b.fails("a panic after it", second, outcome.ErrNotStored, outcome.RanAndFailed)
				b.set(func(s *shelf) { s.refuse = nil })
				b.want("the end", b.send("k", deposit{-5}), "0")
			}
		})
	}
}

// TestWhatAnUndoneTurnLeavesBehind, a goroutine that asks other keys, is held back until the key has
// begun anew. What waits for the change of an earlier turn never leaves.
func TestWhatAnUndoneTurnLeavesBehind(t *testing.T) {
	for name, end := range map[string]func() error{"panics": func() error { panic("add") }, "fails": func() error { return errSpoilt }} {
		for _, c := range []struct {
			behind   time.Duration
			underWay bool
		}{{0, false}, {0, true}, {time.Hour, false}} {
			underWay := c.underWay
			synctest.Test(t, func(t *testing.T) {
				var kept context.Context
				var wait func(context.Context) error
				h := handlers.NewActorHandler(accounts(actor.Persistence{Behind: c.behind}, actor.OnRequest(func(a *account, c *actor.Context, m add) (int, error) {
					kept, wait = c, turn.Unstored(c)
					a.Balance += m.N
					return 0, end()
				})).New)
				b := newBank(t, h, hosting.Setup{})
				b.balance("k", 0)
				over := make(chan error, 1)
				b.set(func(s *shelf) { s.gate, s.hold = make(chan struct{}), underWay })
				want := 0
				if underWay {
					want = 5
					b.send("k", deposit{5})
				}
				b.send("k", add{1})
				if !underWay {
					wait = turn.Unstored(context.WithoutCancel(kept))
				}
				if wait == nil {
					t.Fatalf("%s, under way %v: what it sends is not held back", name, underWay)
				}
				go func() { over <- wait(t.Context()) }() // ends with the change, at once without one
				synctest.Wait()
				close(b.gate)
				b.set(func(s *shelf) { s.hold = false })
				b.release()
				if err := <-over; err == nil {
					t.Errorf("%s, under way %v: what it sends leaves", name, underWay)
				}
				b.balance("k", want)
				if turn.Unstored(kept) != nil {
					t.Error("a key that has begun anew holds back what is sent")
				}
			})
		}
	}
}
