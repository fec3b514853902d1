package handlers_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/handlers"
	"github.com/clstr-go/clstr/internal/hosting"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/state"
)

// TestADrainWaitsForCommits, however long the store takes: their callers get replies.
func TestADrainWaitsForCommits(t *testing.T) {
	inEachBank(t, actor.Persistence{}, handlers.Options{}, func(b *bank) {
		b.hold = true
		w, read := b.send("k", deposit{1}), b.send("k", look{})
		b.send("l", note{1})
		b.drain()
		b.pass(20 * time.Second)
		for what, w := range map[string]*told{"a change": w, "a read of it": read} {
			b.want(what, w, "")
		}
		if isClosed(b.drained) {
			b.Error("the shard has moved while commits were under way")
		}
		b.release()
		b.want("a change", w, "1")
		b.want("a read of it", read, "1")
		<-b.drained
		if b.stored("k") != 1 || b.stored("l") != 1 {
			b.Errorf("stored: %d, %d", b.stored("k"), b.stored("l"))
		}
	})
}

// TestADrainWaitsForAnswersThatWereGiven late, before it or in it, and wait for their state: the
// half second is for those that were not given.
func TestADrainWaitsForAnswersThatWereGiven(t *testing.T) {
	for _, when := range []string{"before", "in"} {
		inTopics(t, func(b *bank) {
			answerBeside = make(chan int)
			first := b.send("k", beside{})
			b.hold = true
			second := b.send("k", publish{10})
			if when == "before" {
				answerBeside <- 1
				synctest.Wait()
			}
			b.drain()
			if when == "in" {
				answerBeside <- 1
			}
			b.pass(20 * time.Second)
			b.want(when+" the drain", first, "")
			b.release()
			b.want(when+" the drain", first, "1")
			b.want("the turn", second, "10")
			<-b.drained
		})
	}
}

// TestPassivationStores what a stop hook changes before the shard moves, and nothing of a stop
// hook that fails.
func TestPassivationStores(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := handlers.NewActorHandler(accounts(actor.Persistence{}, actor.OnPassivate(func(a *account, c *actor.Context) error {
			a.Balance += 100
			if c.Key() == "bad" {
				return errSpoilt
			}
			return nil
		})).New)
		b := newBank(t, h, hosting.Setup{})
		for _, key := range []string{"k", "bad"} {
			b.want("before", b.send(key, deposit{1}), "1")
		}
		b.hold = true
		b.drain()
		if isClosed(b.drained) {
			t.Error("the shard has moved while commits were under way")
		}
		b.release()
		<-b.drained
		if b.stored("k") != 101 || b.stored("bad") != 1 {
			t.Errorf("stored: %d, %d", b.stored("k"), b.stored("bad"))
		}
	})
}

// TestALapseInMidCommit: what the turn has done goes to the store, whose fence decides; what
// waited behind it is refused.
func TestALapseInMidCommit(t *testing.T) {
	for _, c := range []struct {
		refuse error
		is     error
		of     outcome.Outcome
	}{{nil, nil, outcome.Succeeded}, {state.ErrDeposed, outcome.ErrDeposed, outcome.RanAndFailed}} {
		synctest.Test(t, func(t *testing.T) {
			var lapsed atomic.Bool
			b := newBank(t, durableForms["typed"](actor.Persistence{}, handlers.Options{}), hosting.Setup{Lapsed: func(uint32) bool { return lapsed.Load() }})
			b.set(func(s *shelf) { s.hold, s.refuse = true, c.refuse })
			w := b.send("k", deposit{1})
			lapsed.Store(true)
			hosting.LapseShard(b.life, 0)
			b.release()
			<-w.over
			failed(t, "a change under way", w.err, c.is, c.of)
			later := b.send("l", deposit{1})
			<-later.over
			failed(t, "a new key", later.err, outcome.ErrNotOwner, outcome.NotStarted)
			lapsed.Store(false)
			b.set(func(s *shelf) { s.hold, s.refuse = false, nil })
			b.balance("k", max(b.stored("k"), 0))
		})
	}
}

// TestACutOffKeyEndsAfterItsCommit: the next incarnation, under the same fence, must find what
// is on its way.
func TestACutOffKeyEndsAfterItsCommit(t *testing.T) {
	inEachBank(t, actor.Persistence{}, handlers.Options{HookTimeout: -1}, func(b *bank) {
		b.hold = true
		b.send("k", deposit{1})
		ctx, cancel := context.WithTimeout(b.Context(), time.Second)
		defer cancel()
		if err := hosting.EndShard(ctx, b.life, 0, false); err == nil {
			b.Error("a shard has ended that has a commit under way")
		}
		w := b.send("k", look{})
		<-w.over
		failed(b, "a key that was cut off", w.err, outcome.ErrOverloaded, outcome.NotStarted)
		b.release()
		b.balance("k", 1)
	})
}

// TestHooksAreTurns: what OnActivate, Every and OnDrain change is stored, and is undone where
// they fail.
func TestHooksAreTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fails atomic.Bool
		h := handlers.NewActorHandler(accounts(actor.Persistence{},
			actor.OnActivate(func(a *account, _ *actor.Context) error { a.Balance++; return nil }),
			actor.Every(time.Second, func(a *account, _ *actor.Context) error {
				a.Balance += 10
				if fails.Load() {
					return errSpoilt
				}
				return nil
			})).New)
		b := newBank(t, h, hosting.Setup{})
		b.hold = true
		w := b.send("k", look{})
		b.want("a read of what OnActivate has changed", w, "")
		b.release()
		b.want("a read of what OnActivate has changed", w, "1")
		b.set(func(s *shelf) { s.hold = false })
		b.pass(1500 * time.Millisecond)
		if b.stored("k") != 11 {
			t.Errorf("%d is stored", b.stored("k"))
		}
		fails.Store(true)
		b.pass(time.Second) // undone, and activated anew
		b.want("a read of what Every has failed with", b.send("k", look{}), "12")
	})
}

// TestWhatIsUndoneRunsNoStopHook: it could save what is not so.
func TestWhatIsUndoneRunsNoStopHook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		goOn, stopped := make(chan struct{}), false
		h := handlers.NewActorHandler(accounts(actor.Persistence{},
			actor.OnRequest(func(a *account, _ *actor.Context, m add) (int, error) { <-goOn; return a.add(m.N) }),
			actor.OnPassivate(func(*account, *actor.Context) error { stopped = true; return nil })).New)
		b := newBank(t, h, hosting.Setup{})
		b.set(func(s *shelf) { s.hold, s.refuse = true, state.ErrFull })
		b.send("k", deposit{1})
		w := b.send("k", add{1})
		b.release()
		ended := make(chan error)
		go func() { ended <- hosting.EndShard(context.Background(), b.life, 0, false) }() // ends with the key
		synctest.Wait()
		close(goOn)
		if err := <-ended; err != nil || stopped {
			t.Errorf("%v; the stop hook has run: %v", err, stopped)
		}
		<-w.over
		failed(t, "a turn on what is undone", w.err, outcome.ErrNotStored, outcome.RanAndFailed)
	})
}

// TestActivationsThatTheStoreRefuses end their key, and do not try for ever.
func TestActivationsThatTheStoreRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		made := 0
		h := handlers.NewActorHandler(accounts(actor.Persistence{},
			actor.OnActivate(func(a *account, _ *actor.Context) error { made++; a.Balance++; return nil })).New)
		b := newBank(t, h, hosting.Setup{})
		b.set(func(s *shelf) { s.refuse = state.ErrFull })
		w := b.send("k", look{})
		<-w.over
		failed(t, "a message", w.err, outcome.ErrActivationFailed, outcome.NotStarted)
		failed(t, "its cause", w.err, outcome.ErrNotStored, outcome.NotStarted)
		b.pass(10 * time.Second)
		if made > 1 {
			t.Errorf("%d activations for one message", made)
		}
		b.set(func(s *shelf) { s.refuse = nil })
		b.balance("k", 1)
	})
}

// TestAKeyThatLeavesAndIsRefused by a store that is full has nothing left to store, so its next incarnation begins at once.
func TestAKeyThatLeavesAndIsRefused(t *testing.T) {
	inEachBank(t, actor.Persistence{}, handlers.Options{}, func(b *bank) {
		b.balance("k", 0)
		b.set(func(s *shelf) { s.hold, s.refuse = true, state.ErrFull })
		w := b.send("k", leave{1})
		next := b.send("k", look{})
		b.release()
		<-w.over
		failed(b.T, "a turn that is refused", w.err, outcome.ErrNotStored, outcome.RanAndFailed)
		b.want("the next incarnation", next, "0")
	})
}

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}
