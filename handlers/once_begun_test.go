package handlers_test

import (
	"context"
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

// payer is an account whose add stores a half of what it does before the rest.
type payer struct {
	account
	goOn chan struct{} // what add waits for between its halves; nil for nothing
	open []actor.Answer[int]
}

func (p *payer) add(c *actor.Context, m add) (int, error) {
	p.Balance += m.N
	if err := c.Save(); err != nil {
		return 0, err
	}
	if p.goOn != nil {
		<-p.goOn
	}
	p.Balance += m.N
	return p.Balance, nil
}

// order is answered later, and has its effect at once.
func (p *payer) order(_ *actor.Context, m order, a actor.Answer[int]) error {
	a.NoEffect()
	p.Balance += m.N
	p.open = append(p.open, a)
	return nil
}

// payers returns a definition, and the entities that it has made.
func payers(p actor.Persistence, more ...actor.Option) (*actor.Definition[payer], *[]*payer) {
	var made []*payer
	return actor.Define("account", func(string) *payer { made = append(made, &payer{}); return made[len(made)-1] }, append(more, actor.Durable(p),
		actor.OnRequest((*payer).add), actor.OnRequestLater((*payer).order),
		actor.OnRequest(func(p *payer, _ *actor.Context, m deposit) (int, error) { return p.account.add(m.N) }),
		actor.OnRequest(func(p *payer, _ *actor.Context, _ look) (int, error) { return p.Balance, nil }),
		actor.OnRequest(func(p *payer, c *actor.Context, _ burst) (int, error) {
			p.Balance++
			_ = c.Save()
			panic("burst")
		}))...), &made
}

// TestSaveInACommand: what a command saves is stored with its ID. A try that did not end is never
// repeated, whether it failed or its process died, and one that did has its reply.
func TestSaveInACommand(t *testing.T) {
	for _, behind := range []time.Duration{0, time.Hour, -1} {
		inEachBank(t, actor.Persistence{Behind: behind}, handlers.Options{}, func(b *bank) {
			b.fails("a command that saves, and fails", b.sendID("s", "k", save{5}), nil, outcome.RanAndFailed)
			if cs := b.records["k"].Commands; len(cs) != 1 || !cs[0].Begun || b.stored("k") != 5 {
				b.Fatalf("behind %v: stored with %d: %+v", behind, b.stored("k"), cs)
			}
			for range 3 {
				b.fails("a repeat", b.sendID("s", "k", save{5}), outcome.ErrBegun, outcome.MaybeRan)
			}
			b.fails("another with its ID", b.sendID("s", "k", save{6}), outcome.ErrIDReused, outcome.NotStarted)
			b.balance("k", 5)
			for i := range 200 { // and beside the record
				b.want("others", b.sendID(fmt.Sprint(i), "k", deposit{1}), fmt.Sprint(i+6))
			}
			b.fails("a repeat, later", b.sendID("s", "k", save{5}), outcome.ErrBegun, outcome.MaybeRan)
			b.balance("k", 205)
		})
	}
}

// TestCrashBetweenSaveAndEnd: the process dies in a command that has saved. A repeat in another
// process does not run on what was saved, however many commands later it comes.
func TestCrashBetweenSaveAndEnd(t *testing.T) {
	for _, behind := range []time.Duration{0, -1} {
		synctest.Test(t, func(t *testing.T) {
			def, made := payers(actor.Persistence{Behind: behind})
			h := handlers.NewActorHandler(def.New)
			d := &dying{shelf: newShelf()}
			b := newBank(t, h, hosting.Setup{Keeper: d})
			b.shelf = d.shelf
			b.want("one that ends", b.sendID("ended", "k", add{1}), "2")
			(*made)[0].goOn = make(chan struct{})
			first := b.sendID("order-1", "k", add{10})
			b.want("one that has saved", first, "")
			d.dies = true
			b = b.reborn(h)
			for i := range 70 {
				b.fails("a repeat in another process", b.sendID("order-1", "k", add{10}), outcome.ErrBegun, outcome.MaybeRan)
				b.want("one that has ended", b.sendID("ended", "k", add{1}), "2")
				b.want("another", b.sendID(fmt.Sprint("order", i), "k", deposit{1}), fmt.Sprint(13+i))
			}
			b = b.reborn(h)
			b.fails("in a third", b.sendID("order-1", "k", add{10}), outcome.ErrBegun, outcome.MaybeRan)
			b.balance("k", 82)
			close((*made)[0].goOn)
			synctest.Wait()
			for _, done := range d.unanswered {
				done(0, state.ErrDeposed)
			}
			if b.stored("k") != 82 {
				t.Errorf("%d is stored", b.stored("k"))
			}
		})
	}
}

// TestCrashBeforeALaterAnswer: a command that is answered later has its effect in its own turn, and the
// process dies before the answer. A repeat does not have it again.
func TestCrashBeforeALaterAnswer(t *testing.T) {
	for _, way := range []string{"dies", "panics", "moves", "fails"} {
		synctest.Test(t, func(t *testing.T) {
			def, made := payers(actor.Persistence{})
			b := newBank(t, handlers.NewActorHandler(def.New), hosting.Setup{})
			first := b.sendID("order-1", "k", order{5})
			none := b.sendID("order-2", "k", order{0})
			b.want("open", first, "")
			switch way {
			case "panics":
				b.send("k", burst{})
			case "moves":
				b.drain()
				<-b.drained
				b.fails("what had an effect", first, outcome.ErrDraining, outcome.MaybeRan)
				b.fails("what had none", none, outcome.ErrHandedBack, outcome.NotStarted)
			case "fails":
				(*made)[0].open[0].Fail(errSpoilt)
				b.fails("the first try", first, nil, outcome.RanAndFailed)
			}
			b = b.reborn(handlers.NewActorHandler(def.New))
			want := map[bool]int{true: 6, false: 5}[way == "panics"]
			b.fails(way+": a repeat", b.sendID("order-1", "k", order{5}), outcome.ErrBegun, outcome.MaybeRan)
			b.balance("k", want)
			b.want(way+": one without effect may run again", b.sendID("order-2", "k", order{0}), "")
			(*made)[len(*made)-1].open[0].Reply(want)
			b.want("ID of the first, answered by the new process", b.sendID("order-2", "k", order{0}), fmt.Sprint(want))
		})
	}
}

// TestSavedEffectsDoNotGoBack: a call whose turn has saved its effect is no call without one, even if
// it said so before.
func TestSavedEffectsDoNotGoBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		def := actor.Define("account", func(string) *payer { return &payer{} }, actor.Durable(actor.Persistence{}),
			actor.OnRequestLater(func(p *payer, c *actor.Context, m order, a actor.Answer[int]) error {
				a.NoEffect()
				p.Balance += m.N
				return c.Save()
			}))
		b := newBank(t, handlers.NewActorHandler(def.New), hosting.Setup{})
		w := b.send("k", order{5})
		b.drain()
		<-b.drained
		b.fails("what has saved", w, outcome.ErrDraining, outcome.MaybeRan)
	})
}

// TestSaveOfATurnThatAnswersOthers: their effects may be in what it saves, so their IDs are too.
func TestSaveOfATurnThatAnswersOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var waits []actor.Answer[int]
		def := actor.Define("account", func(string) *payer { return &payer{} }, actor.Durable(actor.Persistence{}),
			actor.OnRequestLater(func(_ *payer, _ *actor.Context, _ order, a actor.Answer[int]) error {
				waits = append(waits, a)
				return nil
			}),
			actor.OnRequest((*payer).look1),
			actor.OnRequest(func(p *payer, c *actor.Context, m add) (int, error) {
				for _, a := range waits {
					p.Balance += 5
					a.Reply(p.Balance)
				}
				waits = nil
				return p.add(c, m)
			}))
		d := &dying{shelf: newShelf()}
		b := newBank(t, handlers.NewActorHandler(def.New), hosting.Setup{Keeper: d})
		b.shelf = d.shelf
		b.sendID("order-1", "k", order{5})
		if len(b.records["k"].Commands) != 0 {
			t.Error("a command without an effect is stored")
		}
		stores := 0
		d.after = func() { stores++; d.dies = stores == 1 }
		b.send("k", add{1})
		b = b.reborn(handlers.NewActorHandler(def.New))
		b.fails("a repeat", b.sendID("order-1", "k", order{5}), outcome.ErrBegun, outcome.MaybeRan)
		b.balance("k", 6)
		for _, done := range d.unanswered {
			done(0, state.ErrDeposed)
		}
	})
}

func (p *payer) look1(*actor.Context, look) (int, error) { return p.Balance, nil }

// TestPanicAfterSave: a command that is answered between the end of a turn that has panicked and the
// end of its incarnation stores nothing: the turn has saved since the command saw the state.
func TestPanicAfterSave(t *testing.T) {
	for _, behind := range []time.Duration{0, -1} {
		synctest.Test(t, func(t *testing.T) {
			var entity *payer
			around := func(ctx context.Context, in *hosting.Incoming, next func(context.Context) error) error {
				in.OnAnswer(func(err error) {
					if errors.Is(err, outcome.ErrPanicked) {
						entity.open[0].Reply(5)
					}
				})
				return next(ctx)
			}
			def, made := payers(actor.Persistence{Behind: behind})
			b := newBank(t, handlers.NewActorHandler(def.New), hosting.Setup{Around: around})
			first := b.sendID("order-1", "k", order{5})
			entity = (*made)[0]
			b.fails("the panic", b.send("k", burst{}), outcome.ErrPanicked, outcome.MaybeRan)
			if b.fails("the command", first, nil, outcome.MaybeRan); b.stored("k") != 6 {
				t.Errorf("behind %v: %d is stored, want 6", behind, b.stored("k"))
			}
			b.balance("k", 6)
		})
	}
}
