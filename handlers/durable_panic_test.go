package handlers_test

import (
	"context"
	"testing"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/handlers"
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
