package handlers_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/handlers"
	"github.com/clstr-go/clstr/internal/hosting"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/state"
)

// TestManyCommands: what no longer fits into the record is kept beside it, in the change that
// stores the command. It is known in another process too, after one read, until the window is
// over.
func TestManyCommands(t *testing.T) {
	const n = 200
	for name, form := range durableForms {
		synctest.Test(t, func(t *testing.T) {
			h := form(actor.Persistence{Window: time.Minute}, handlers.Options{})
			b := newBank(t, h, hosting.Setup{})
			for i := range n {
				b.want(name, b.sendID(fmt.Sprint("order-", i), "k", deposit{1}), fmt.Sprint(i+1))
			}
			if spills := len(b.beside["k"]); spills != 3 || len(b.records["k"].Commands) != n-3*64 || b.commits != n {
				t.Fatalf("%s: %d groups beside %d commands, %d changes", name, spills, len(b.records["k"].Commands), b.commits)
			}
			for range 2 {
				for i := range n {
					b.want(name, b.sendID(fmt.Sprint("order-", i), "k", deposit{1}), fmt.Sprint(i+1))
				}
				b.fails(name, b.sendID("order-0", "k", deposit{2}), outcome.ErrIDReused, outcome.NotStarted)
				reads := b.spilledReads
				b.want(name, b.sendID("new", "k", look{}), fmt.Sprint(n))
				b.want(name, b.sendID("newer", "k", query{}), fmt.Sprint(n))
				if b.spilledReads != reads {
					t.Errorf("%s: %d reads for commands that are new", name, b.spilledReads-reads)
				}
				b.balance("k", n)
				b = b.reborn(h)
			}
			b.want(name, b.sendID("new after a start", "k", look{}), fmt.Sprint(n))
			b.set(func(s *shelf) { s.beside, s.unread = map[string][]state.Entry{}, nil })
			if reads := b.spilledReads; reads == 0 {
				t.Error("nothing was read")
			}
			// The store has forgotten what the key still knows to have run: that is said, and not run.
			b.fails(name, b.sendID("order-0", "k", deposit{1}), outcome.ErrEnvelopeExpired, outcome.MaybeRan)
			b.pass(3 * time.Minute)
			b.want("once it is forgotten", b.sendID("order-0", "k", deposit{1}), fmt.Sprint(n+1))
		})
	}
}

// TestIDsThatCannotBeRead: a key that cannot find out whether a message has run does not run it.
func TestIDsThatCannotBeRead(t *testing.T) {
	for name, form := range durableForms {
		synctest.Test(t, func(t *testing.T) {
			h := form(actor.Persistence{}, handlers.Options{})
			b := newBank(t, h, hosting.Setup{})
			for i := range 65 {
				b.sendID(fmt.Sprint("order-", i), "k", deposit{1})
			}
			b = b.reborn(h)
			b.balance("k", 65)
			b.set(func(s *shelf) { s.unread = errors.New("no answer") })
			w := b.sendID("order-0", "k", deposit{1})
			b.fails(name, w, outcome.ErrActivationFailed, outcome.NotStarted)
			b.fails(name, w, outcome.ErrNoStore, outcome.NotStarted)
			b.set(func(s *shelf) { s.unread = state.ErrDeposed })
			b.fails(name, b.sendID("order-0", "k", deposit{1}), outcome.ErrNotOwner, outcome.NotStarted)
			b.want("what is in the record", b.sendID("order-64", "k", deposit{1}), "65")
			b.set(func(s *shelf) { s.unread = nil })
			b.want(name, b.sendID("order-0", "k", deposit{1}), "1")
			b.balance("k", 65)
		})
	}
}

// TestMoreCommandsThanAChangeTakes: while a change is on its way, commands gather for one
// change only. What comes then waits, and nothing is lost.
func TestMoreCommandsThanAChangeTakes(t *testing.T) {
	const n = 200
	inEachBank(t, actor.Persistence{}, handlers.Options{}, func(b *bank) {
		b.hold = true
		var calls []*told
		for i := range n {
			calls = append(calls, b.sendID(fmt.Sprint("order-", i), "k", deposit{1}))
		}
		b.want("a read behind them", b.send("k", look{}), "")
		changes := 0
		for b.release() > 0 {
			changes++
		}
		for i, w := range calls {
			b.want(fmt.Sprint("call ", i), w, fmt.Sprint(i+1))
		}
		if b.stored("k") != n || changes > 5 || b.mostSpilled > 64 {
			b.Errorf("%d stored in %d changes, of up to %d more commands", b.stored("k"), changes, b.mostSpilled)
		}
		b.set(func(s *shelf) { s.hold = false })
		for i := range n {
			b.want("again", b.sendID(fmt.Sprint("order-", i), "k", deposit{1}), fmt.Sprint(i+1))
		}
	})
}

// TestMoreCommandsThanAKeyMayKnow: the key says when it takes another one, and forgets none
// for it.
func TestMoreCommandsThanAKeyMayKnow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBank(t, durableForms["typed"](actor.Persistence{Window: time.Minute}, handlers.Options{}), hosting.Setup{})
		var w *told
		n := 0
		for ; n < 20_000 && (w == nil || w.err == nil); n++ {
			w = b.sendID(fmt.Sprint("order-", n), "k", deposit{1})
		}
		b.fails("one more", w, outcome.ErrOverloaded, outcome.NotStarted)
		hint, _ := outcome.RetryAfter(w.err)
		if n < 16_000 || hint < time.Minute || hint > 3*time.Minute {
			t.Errorf("after %d: %v, with a hint of %v", n, w.err, hint)
		}
		b.want("the first", b.sendID("order-0", "k", deposit{1}), "1")
		b.want("without an ID", b.send("k", deposit{0}), fmt.Sprint(n-1))
		b.pass(hint)
		b.want("when the hint says", b.sendID(fmt.Sprint("order-", n-1), "k", deposit{1}), fmt.Sprint(n))
	})
}
