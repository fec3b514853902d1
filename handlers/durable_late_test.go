package handlers_test

import (
	"context"
	"errors"
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

// topic is a durable entity that answers later.
type topic struct {
	Balance int
	waits   []actor.Answer[int]
}

type (
	declare struct{}        // says once more that what waits had no effect
	beside  struct{}        // is answered by a goroutine, with what comes from answerBeside
	wait    struct{ N int } // adds N, and is answered by the next message
	publish struct{ N int } // answers, and fails with a negative N
)

func (e *topic) wait(_ *actor.Context, m wait, a actor.Answer[int]) error {
	a.NoEffect()
	e.Balance += m.N
	e.waits = append(e.waits, a)
	return nil
}

func (e *topic) declare(*actor.Context, declare) (int, error) {
	for _, a := range e.waits {
		a.NoEffect()
	}
	return 0, nil
}

var answerBeside chan int // made in the test's bubble

func (e *topic) beside(_ *actor.Context, _ beside, a actor.Answer[int]) error {
	go func() { a.Reply(<-answerBeside) }() // ends with the answer
	return nil
}

func (e *topic) publish(_ *actor.Context, m publish) (int, error) {
	e.Balance += m.N
	for _, a := range e.waits {
		a.Reply(e.Balance)
	}
	e.waits = nil
	if m.N < 0 {
		return 0, errSpoilt
	}
	return e.Balance, nil
}

var topics = actor.Define("topic", func(string) *topic { return &topic{} }, actor.Durable(actor.Persistence{}),
	actor.OnRequestLater((*topic).wait), actor.OnRequestLater((*topic).beside), actor.OnRequest((*topic).publish), actor.OnRequest((*topic).declare))

func inTopics(t *testing.T, test func(*bank)) {
	synctest.Test(t, func(t *testing.T) { test(newBank(t, handlers.NewActorHandler(topics.New), hosting.Setup{})) })
}

// TestLateAnswersWait for every state of the key that there is when they are given, and for what
// the turn does that gives them.
func TestLateAnswersWait(t *testing.T) {
	inTopics(t, func(b *bank) {
		answerBeside = make(chan int)
		b.hold = true
		first := b.send("k", wait{1})
		second := b.send("k", publish{10})
		b.release()
		b.want("an answer of a turn whose state is on its way", first, "")
		b.release()
		b.want("the answer", first, "11")
		b.want("the turn that gave it", second, "11")

		first = b.send("k", beside{})
		b.want("an answer beside all turns", first, "")
		b.send("k", publish{10})
		answerBeside <- 21
		b.want("the same, while a state is on its way", first, "")
		b.release()
		b.want("the same", first, "21")

		first = b.send("k", wait{0})
		second = b.send("k", publish{0})
		b.want("an answer at rest", first, "21")
		b.want("the turn that gave it", second, "21")

		first = b.send("k", wait{0})
		second = b.send("k", publish{1})
		b.set(func(s *shelf) { s.refuse = state.ErrFull })
		b.release()
		<-first.over
		failed(b, "an answer from a change that is refused", first.err, outcome.ErrDraining, outcome.MaybeRan)
		failed(b, "its turn", second.err, outcome.ErrNotStored, outcome.RanAndFailed)
	})
}

// TestLateAnswersOfATurnThatFails are not given: the entity has forgotten what it owes.
func TestLateAnswersOfATurnThatFails(t *testing.T) {
	inTopics(t, func(b *bank) {
		first := b.send("k", wait{1})
		second := b.send("k", publish{-1})
		<-first.over
		<-second.over
		failed(b, "the answer", first.err, outcome.ErrDraining, outcome.MaybeRan)
		if outcome.Of(second.err) != outcome.RanAndFailed {
			b.Errorf("its turn: %v", second.err)
		}
		b.want("afterwards", b.send("k", publish{1}), "2")
	})
}

// TestWhatHasChangedItsKeyStays: a request that says that it had no effect goes back when its shard moves,
// unless its turn has changed the state.
func TestWhatHasChangedItsKeyStays(t *testing.T) {
	inTopics(t, func(b *bank) {
		changed, unchanged := b.send("k", wait{1}), b.send("k", wait{0})
		b.want("a declaration", b.send("k", declare{}), "0")
		b.drain()
		<-changed.over
		<-unchanged.over
		failed(b, "what has changed its key", changed.err, outcome.ErrDraining, outcome.MaybeRan)
		failed(b, "what has not", unchanged.err, outcome.ErrHandedBack, outcome.NotStarted)
	})
}

// TestStateIsTakenBehindAround: an error of the outermost undoes the turn, and the reply that it
// has made waits like any other.
func TestStateIsTakenBehindAround(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refuse := false
		env := hosting.Setup{Around: func(ctx context.Context, in *hosting.Incoming, next func(context.Context) error) error {
			err := next(ctx)
			if refuse {
				return errors.New("refused by Around")
			}
			in.SetReply([]byte("by Around"))
			return err
		}}
		b := newBank(t, durableForms["typed"](actor.Persistence{}, handlers.Options{}), env)
		b.hold = true
		w := b.send("k", deposit{1})
		b.want("what Around replies", w, "")
		b.release()
		b.want("what Around replies", w, "by Around")
		refuse = true
		w = b.send("k", deposit{1})
		<-w.over
		if outcome.Of(w.err) != outcome.RanAndFailed {
			b.Errorf("got %v", w.err)
		}
		refuse = false
		b.send("k", deposit{1})
		b.release()
		if b.stored("k") != 2 {
			b.Errorf("%d is stored", b.stored("k"))
		}
	})
}

// TestWhatATurnSendsWaits for the state that the turn has found, by the contexts of the turn and
// of its Around, and of hooks; not for what the turn changes itself.
func TestWhatATurnSendsWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var waits []func(context.Context) error
		note := func(ctx context.Context) { waits = append(waits, turn.Unstored(context.WithoutCancel(ctx))) }
		env := hosting.Setup{Around: func(ctx context.Context, _ *hosting.Incoming, next func(context.Context) error) error {
			note(ctx)
			err := next(ctx)
			note(ctx)
			return err
		}}
		h := handlers.NewActorHandler(accounts(actor.Persistence{}, actor.OnRequest(func(a *account, c *actor.Context, m add) (int, error) {
			note(c)
			ctx, cancel := context.WithCancel(c)
			defer cancel()
			n, err := a.add(m.N)
			note(ctx)
			return n, err
		})).New)
		b := newBank(t, h, env)
		b.hold = true
		b.send("k", add{1})
		for i, w := range waits {
			if w != nil {
				t.Errorf("wait %d of a turn that has found nothing unstored", i)
			}
		}
		waits = nil
		b.send("k", add{1})
		over := make(chan error, len(waits))
		for i, w := range waits {
			if w == nil {
				t.Fatalf("wait %d: none", i)
			}
			go func() { over <- w(t.Context()) }() // ends with the commit
		}
		synctest.Wait()
		if len(waits) != 4 || len(over) > 0 {
			t.Errorf("%d of %d are over before the state is stored", len(over), len(waits))
		}
		b.release()
		b.set(func(s *shelf) { s.refuse = state.ErrFull })
		b.release()
		for range waits {
			<-over
		}
		waits = nil
		b.set(func(s *shelf) { s.refuse = nil })
		b.send("k", add{1})
		b.send("k", add{1})
		go func() { over <- waits[4](t.Context()) }() // ends with the commit
		synctest.Wait()
		b.set(func(s *shelf) { s.refuse = state.ErrFull })
		b.release()
		if err := <-over; !errors.Is(err, state.ErrFull) {
			t.Errorf("a wait for what is refused: %v", err)
		}
	})
}

// TestWhatGoesOnAfterAnUndoneTurn is held back until the key has begun anew.
func TestWhatGoesOnAfterAnUndoneTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var kept context.Context
		h := handlers.NewActorHandler(accounts(actor.Persistence{}, actor.OnRequest(func(a *account, c *actor.Context, m add) (int, error) {
			kept = c
			a.Balance += m.N
			return 0, errSpoilt
		})).New)
		b := newBank(t, h, hosting.Setup{})
		b.balance("k", 0)
		b.set(func(s *shelf) { s.gate = make(chan struct{}) })
		w := b.send("k", add{1})
		<-w.over
		if wait := turn.Unstored(kept); wait == nil || wait(t.Context()) == nil {
			t.Error("what it sends is not held back")
		}
		close(b.gate)
		b.balance("k", 0)
		if turn.Unstored(kept) != nil {
			t.Error("a key that has begun anew holds back what is sent")
		}
	})
}

type add struct{ N int }

// TestARequestToOneself is a circle still, and a commit that is awaited is none.
func TestACommitIsNoCircle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b *bank
		ask := func(a *account, c *actor.Context, m add) (int, error) {
			if m.N > 0 {
				a.Balance += m.N
				if err := c.Save(); err != nil {
					return 0, err
				}
			}
			ctx, cancel := context.WithTimeout(c, time.Minute)
			defer cancel()
			key := "a"
			if c.Key() == "a" {
				key = "b"
			}
			if m.N > 1 {
				return a.Balance, nil
			}
			_, err := b.node.tr.Request(ctx, envelopeTo(key, `{"N":2}`))
			return a.Balance, err
		}
		b = newBank(t, handlers.NewActorHandler(accounts(actor.Persistence{}, actor.OnRequest(ask)).New), hosting.Setup{})
		b.hold = true
		x, y := b.send("a", add{1}), b.send("b", add{2})
		for b.release() > 0 {
		}
		b.want("a key that asks one with a commit under way", x, "1")
		b.want("that one", y, "2")
	})
}
