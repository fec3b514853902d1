package howto_test

import (
	"testing"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/testkit"
)

// docs/howto/timers.md

type (
	Auction struct {
		ends time.Time
		best int64
	}
	Begin  struct{ For time.Duration }
	Bid    struct{ Amount int64 }
	Result struct {
		Best int64
		Open bool
	}
)

func (a *Auction) Begin(_ *actor.Context, m Begin) (Result, error) {
	a.ends = time.Now().Add(m.For) // save it with the state
	return a.result(), nil
}

// Bid looks at the clock itself: a timer may be late, or its entity passivated.
func (a *Auction) Bid(_ *actor.Context, m Bid) (Result, error) {
	if time.Now().Before(a.ends) && m.Amount > a.best {
		a.best = m.Amount
	}
	return a.result(), nil
}

// tick runs each second while the auction is active, on its turn.
func (a *Auction) tick(c *actor.Context) error {
	if !a.ends.IsZero() && time.Now().After(a.ends) {
		c.Log().Info("sold", "for", a.best)
		c.Passivate() // its OnPassivate runs after this turn
	}
	return nil
}

func (a *Auction) result() Result { return Result{a.best, time.Now().Before(a.ends)} }

var auctions = actor.Define("auction", func(string) *Auction { return &Auction{} },
	actor.OnRequest((*Auction).Begin), actor.OnRequest((*Auction).Bid),
	actor.Every(time.Second, (*Auction).tick),
	actor.PassivateAfter(time.Hour),
)

func TestTimers(t *testing.T) {
	testkit.Alone(t, auctions.New, "vase", testkit.AloneOptions{}, func(t *testing.T, e *testkit.Entity) {
		ask := func(msg any, want Result) {
			t.Helper()
			if got, err := testkit.Ask[Result](e, msg); err != nil || got != want {
				t.Errorf("%+v: %+v, %v; want %+v", msg, got, err, want)
			}
		}
		ask(Begin{time.Minute}, Result{0, true})
		ask(Bid{10}, Result{10, true})
		e.Advance(59 * time.Second)
		ask(Bid{20}, Result{20, true})
		e.Advance(time.Second)
		ask(Bid{30}, Result{20, false}) // over, whether or not the timer has fired
		e.Advance(time.Second)
		if e.Active() {
			t.Error("it is still active")
		}
	})
}
