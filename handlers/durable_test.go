package handlers_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/handlers"
	"github.com/clstr-go/clstr/internal/hosting"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/transport/memtransport"
)

// TestRepliesWaitForTheirState: a reply leaves when what it was computed from is stored, that of
// a read too. The worker goes on meanwhile, and what has gathered goes together.
func TestRepliesWaitForTheirState(t *testing.T) {
	inEachBank(t, actor.Persistence{}, handlers.Options{}, func(b *bank) {
		b.hold = true
		first := b.send("k", deposit{1})
		read := b.send("k", look{})
		more := []*told{b.send("k", deposit{10}), b.send("k", look{}), b.send("k", query{}), b.send("k", deposit{100})}
		b.send("k", note{1000})
		b.want("the first", first, "")
		b.want("a read of what it has changed", read, "")
		if n := b.release(); n != 1 {
			b.Errorf("%d commits under way for one key", n)
		}
		b.want("the first", first, "1")
		b.want("a read of what it has changed", read, "1")
		for _, w := range more {
			b.want("what came later", w, "")
		}
		if b.stored("k") != 1 || b.release() != 1 || b.stored("k") != 1111 || b.commits != 2 {
			b.Errorf("stored %d in %d commits", b.stored("k"), b.commits)
		}
		for i, want := range []string{"11", "11", "11", "111"} {
			b.want("what came later", more[i], want)
		}
		b.want("a read at rest", b.send("k", look{}), "1111")
		b.want("another key", b.send("l", look{}), "0")
		if b.release() != 0 || b.stored("l") != -1 {
			b.Error("what changes nothing is stored")
		}
	})
}

// TestATurnThatFailsIsUndone, whether it changes what is stored, or what is on its way.
func TestATurnThatFailsIsUndone(t *testing.T) {
	inEachBank(t, actor.Persistence{}, handlers.Options{}, func(b *bank) {
		for round := range 2 {
			base := 5 * (round + 1)
			b.set(func(s *shelf) { s.hold = round > 0 })
			first := b.send("k", deposit{5})
			for _, m := range []any{spoil{1}, burst{1}, spoiled{1}, break_{1}} {
				w := b.send("k", m)
				next := b.send("k", look{})
				b.release()
				<-w.over
				switch m.(type) {
				case spoil:
					if outcome.Of(w.err) != outcome.RanAndFailed {
						b.Errorf("%T: %v", m, w.err)
					}
				case burst:
					failed(b, "a panic", w.err, outcome.ErrPanicked, outcome.MaybeRan)
				case break_:
					failed(b, "a state that does not marshal", w.err, outcome.ErrNotStored, outcome.RanAndFailed)
				}
				b.want("the next message", next, map[int]string{5: "5", 10: "10"}[base])
			}
			b.want("the first", first, map[int]string{5: "5", 10: "10"}[base])
			if b.stored("k") != base {
				b.Errorf("%d is stored", b.stored("k"))
			}
		}
	})
}

// TestAnErrorWaitsToo: it may tell of a state that is not stored.
func TestAnErrorWaitsToo(t *testing.T) {
	inEachBank(t, actor.Persistence{}, handlers.Options{}, func(b *bank) {
		b.hold = true
		b.send("k", deposit{5})
		w := b.send("k", spoil{1})
		b.want("an error", w, "")
		b.set(func(s *shelf) { s.refuse = state.ErrFull })
		b.release()
		<-w.over
		failed(b, "what was computed from a state that is undone", w.err, outcome.ErrNotStored, outcome.RanAndFailed)
	})
}

// TestAChangeThatIsRefused takes with it all that was computed on top of it, and the key goes on
// from what is stored.
func TestAChangeThatIsRefused(t *testing.T) {
	for _, c := range []struct {
		why, is error
		of      outcome.Outcome
	}{
		{state.ErrFull, outcome.ErrNotStored, outcome.RanAndFailed},
		{state.ErrTooLarge, outcome.ErrNotStored, outcome.RanAndFailed},
		{state.ErrDeposed, outcome.ErrDeposed, outcome.RanAndFailed},
		{errors.New("no answer"), outcome.ErrDeposed, outcome.MaybeRan},
	} {
		inEachBank(t, actor.Persistence{}, handlers.Options{}, func(b *bank) {
			b.want("before", b.send("k", deposit{5}), "5")
			b.set(func(s *shelf) { s.hold, s.refuse = true, c.why })
			lost := []*told{b.send("k", deposit{1}), b.send("k", look{}), b.send("k", deposit{2}), b.send("k", spoil{3}), b.send("k", query{})}
			for i, w := range lost {
				b.want("what is in doubt", w, "")
				if i == 2 {
					b.send("k", note{4})
				}
			}
			b.set(func(s *shelf) { s.hold = false })
			b.release()
			for _, w := range lost {
				<-w.over
				failed(b, c.why.Error(), w.err, c.is, c.of)
			}
			b.set(func(s *shelf) { s.refuse = nil })
			b.balance("k", 5)
			b.want("afterwards", b.send("k", deposit{1}), "6")
			if b.stored("k") != 6 {
				b.Errorf("%d is stored", b.stored("k"))
			}
		})
	}
}

// TestAKeyWithACommitUnderWay is not passivated, neither as idle nor to make room. If it asks
// for it, the next incarnation begins when the commit has ended.
func TestAKeyWithACommitUnderWay(t *testing.T) {
	inEachBank(t, actor.Persistence{}, handlers.Options{CacheSize: 1, IdleAfter: time.Second}, func(b *bank) {
		b.hold = true
		first := b.send("k", deposit{5})
		for _, key := range []string{"l", "m", "n"} {
			b.balance(key, 0)
		}
		b.pass(10 * time.Second)
		reads := b.reads
		second := b.send("k", deposit{1})
		if b.reads != reads {
			b.Error("the key was loaded anew while its state was on its way")
		}
		b.release()
		b.release()
		b.want("the first", first, "5")
		b.want("the second", second, "6")
		if b.reads != reads {
			b.Error("the key was passivated while its state was on its way")
		}
		b.pass(10 * time.Second)
		reads = b.reads
		b.balance("k", 6)
		if b.reads == reads {
			b.Error("a key at rest was not passivated")
		}
		third := b.send("k", leave{1})
		next := b.send("k", look{})
		b.want("a key that leaves", third, "")
		b.want("the next incarnation", next, "")
		b.release()
		b.want("a key that leaves", third, "7")
		b.want("the next incarnation", next, "7")
	})
}

// TestSave stores what there is: an error undoes only what comes after.
func TestSave(t *testing.T) {
	inEachBank(t, actor.Persistence{}, handlers.Options{}, func(b *bank) {
		b.hold = true
		first := b.send("k", deposit{1})
		w := b.send("k", save{10})
		b.release()
		b.want("the first", first, "1")
		if b.release() != 1 || b.stored("k") != 11 {
			b.Errorf("%d is stored", b.stored("k"))
		}
		<-w.over
		if !w.open() && outcome.Of(w.err) != outcome.RanAndFailed {
			b.Errorf("got %q, %v", w.reply, w.err)
		}
		b.balance("k", 11)
		b.set(func(s *shelf) { s.refuse = state.ErrFull })
		w = b.send("k", save{10})
		b.release()
		<-w.over
		failed(b, "a Save that is refused", w.err, outcome.ErrNotStored, outcome.RanAndFailed)
		b.balance("k", 11)
	})
}

// TestDelete removes the state when it is stored that it has gone, and the next message makes a
// new entity, whose changes count on.
func TestDelete(t *testing.T) {
	inEachBank(t, actor.Persistence{}, handlers.Options{}, func(b *bank) {
		b.want("a key without a stored state", b.send("l", forget{1}), "1")
		if b.commits > 0 {
			b.Error("that there is nothing is stored")
		}
		b.want("before", b.send("k", deposit{5}), "5")
		b.hold = true
		w, next := b.send("k", forget{1}), b.send("k", look{})
		b.want("a deletion", w, "")
		b.want("the next message", next, "")
		b.release()
		b.want("a deletion", w, "6")
		b.want("the next message", next, "0")
		if r := b.records["k"]; !r.Deleted || r.Number != 2 || r.TTL != 24*time.Hour || len(r.State) > 0 {
			b.Errorf("stored: %+v", r)
		}
		b.set(func(s *shelf) { s.hold = false })
		b.want("afterwards", b.send("k", deposit{2}), "2")
		if r := b.records["k"]; r.Deleted || r.Number != 3 || b.stored("k") != 2 {
			b.Errorf("stored: %+v", r)
		}
	})
}

// TestWithoutAStore a durable key does not begin, and plain ones do.
func TestWithoutAStore(t *testing.T) {
	n := newNode(t, memtransport.Options{})
	call := n.serve(t, handlers.NewActorHandler(accounts(actor.Persistence{}).New), hosting.Setup{Kind: "account"})
	_, err := call.ask("k", "look")
	failed(t, "no store", err, outcome.ErrActivationFailed, outcome.NotStarted)
	failed(t, "its cause", err, outcome.ErrNoStore, outcome.NotStarted)
	if hint := "Durable is set in the handler's options"; !strings.Contains(err.Error(), hint) {
		t.Errorf("%v: it does not say %q, which a user of clstr.Open needs", err, hint)
	}
}
