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

type (
	walletLook struct{} // a query
	walletSeen struct{ Balance int64 }
)

func (w *Wallet) Peek(*actor.Context, walletLook) (walletSeen, error) {
	return walletSeen{w.Balance}, nil
}

var lookable = actor.Define("lookable", func(string) *Wallet { return &Wallet{Balance: 100} },
	actor.OnQuery((*Wallet).Peek), actor.Durable(actor.Persistence{}))

// read asks a query, and asks again if the node that had it has gone: a query changes nothing.
func read[Out any](ctx context.Context, to *cluster.ScopedClient, query any) (Out, error) {
	out, err := clstr.Ask[Out](ctx, to, query)
	if cluster.OutcomeOf(err) == cluster.MaybeRan && errors.Is(err, cluster.ErrConnectionLost) {
		return clstr.Ask[Out](ctx, to, query) // waits for the next owner
	}
	return out, err
}

func TestRead(t *testing.T) {
	faults := testkit.NewFaults(1, testkit.FaultRule{Fail: 1, Err: cluster.ErrConnectionLost, First: 1})
	c := testkit.NewCluster(t, testkit.ClusterOptions{
		Wrap:  faults.Client,
		Kinds: map[string]cluster.ServerHandlerFunc{"wallet": cluster.NewActorHandler(lookable.New)},
	})
	if seen, err := read[walletSeen](t.Context(), c.Client().Kind("wallet").Key("w-1"), walletLook{}); err != nil || seen.Balance != 100 {
		t.Errorf("%v, %v", seen, err)
	}
	if n := faults.Injected().Failed; n != 1 {
		t.Errorf("%d calls failed", n)
	}
}

// With an ID a query costs what a command costs.
func TestQueryWithAnIDIsStored(t *testing.T) {
	testkit.Alone(t, lookable.New, "w-1", testkit.AloneOptions{}, func(t *testing.T, e *testkit.Entity) {
		if _, err := testkit.Ask[walletSeen](e, walletLook{}); err != nil || e.Stored() != nil {
			t.Errorf("%v, and %v is stored", err, e.Stored())
		}
		if _, err := testkit.Ask[walletSeen](e, walletLook{}, cluster.Once()); err != nil || e.Stored() == nil || len(e.Stored().Commands) != 1 {
			t.Errorf("%v, and %v is stored", err, e.Stored())
		}
	})
}
