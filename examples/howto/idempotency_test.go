package howto_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/state/memstate"
	"github.com/clstr-go/clstr/testkit"
)

// docs/howto/idempotency.md

type (
	Wallet  struct{ Balance int64 }
	Charge  struct{ Amount int64 }
	Charged struct{ Balance int64 }
)

var errNoMoney = errors.New("no money")

// Charge takes money. It needs no list of what was done: the library keeps that with the state.
func (w *Wallet) Charge(_ *actor.Context, m Charge) (Charged, error) {
	if m.Amount > w.Balance {
		return Charged{}, errNoMoney // nothing is kept, so this order may be tried again
	}
	w.Balance -= m.Amount
	return Charged{w.Balance}, nil
}

var wallets = actor.Define("wallet", func(string) *Wallet { return &Wallet{Balance: 100} },
	actor.OnRequest((*Wallet).Charge), actor.Durable(actor.Persistence{}))

func TestIdempotency(t *testing.T) {
	svc := testkit.Open(t, wallets)
	for range 3 { // the caller was told "maybe ran", and sends the order again
		charged, err := clstr.Ask[Charged](t.Context(), svc.Key(wallets, "w-1"), Charge{30}, cluster.WithID("order-7"))
		if err != nil || charged.Balance != 70 {
			t.Errorf("%v, %v", charged, err)
		}
	}
	_, err := clstr.Ask[Charged](t.Context(), svc.Key(wallets, "w-1"), Charge{31}, cluster.WithID("order-7"))
	if !errors.Is(err, cluster.ErrIDReused) {
		t.Error(err)
	}
	for range 2 {
		if _, err := clstr.Ask[Charged](t.Context(), svc.Key(wallets, "w-1"), Charge{80}, cluster.WithID("order-8")); cluster.OutcomeOf(err) != cluster.RanAndFailed {
			t.Error(err)
		}
	}
}

// The charge is stored, and its node dies before the reply leaves.
func TestCrashBeforeTheReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		faults := testkit.NewStateFaults(1, testkit.StateRule{DelayAnswer: 1, DelayMin: time.Second, DelayMax: time.Second, First: 1})
		c := testkit.NewCluster(t, testkit.ClusterOptions{
			Live:  true,
			Kinds: map[string]cluster.ServerHandlerFunc{"wallet": cluster.NewActorHandler(wallets.New)},
			State: faults.Store(memstate.New()),
		})
		wallet := cluster.NewRequest[Charge, Charged](c.Client().Kind("wallet").Key("w-1"))
		charge := func() (*Charged, error) {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			return wallet.Request(ctx, Charge{30}, cluster.WithID("order-7"))
		}
		told := make(chan error)
		go func() { // ends with the caller's deadline
			_, err := charge()
			told <- err
		}()
		synctest.Wait() // the charge is stored
		c.KillNode(c.Owner("w-1"))
		if err := <-told; cluster.OutcomeOf(err) != cluster.MaybeRan {
			t.Errorf("got %v", err)
		}
		c.Settle()
		charged, err := charge()
		if err != nil || charged.Balance != 70 { // not 40
			t.Errorf("%v, %v", charged, err)
		}
	})
}
