package howto_test

import (
	"testing"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/testkit"
)

// docs/howto/idempotency.md

type (
	Wallet struct {
		Balance int64
		Done    []Done // the last 1,000 orders, with their replies
	}
	Done struct {
		Order   string
		Balance int64
	}
	Charge struct {
		Order  string // chosen by the caller, the same in each try
		Amount int64
	}
	Charged struct{ Balance int64 }
)

const remembered = 1000

func (w *Wallet) Charge(_ *actor.Context, m Charge) (Charged, error) {
	for _, d := range w.Done {
		if d.Order == m.Order {
			return Charged{d.Balance}, nil // done before: the same answer
		}
	}
	w.Balance -= m.Amount
	w.Done = append(w.Done[max(0, len(w.Done)-remembered+1):], Done{m.Order, w.Balance})
	return Charged{w.Balance}, nil
}

var wallets = actor.Define("wallet", func(string) *Wallet { return &Wallet{Balance: 100} }, actor.OnRequest((*Wallet).Charge))

func TestIdempotency(t *testing.T) {
	svc := testkit.Open(t, wallets)
	for range 3 { // the caller was told "maybe ran", and sends the order again
		charged, err := clstr.Ask[Charged](t.Context(), svc.Key(wallets, "w-1"), Charge{"order-7", 30})
		if err != nil || charged.Balance != 70 {
			t.Errorf("%v, %v", charged, err)
		}
	}
	w := &Wallet{}
	for i := range 3 * remembered {
		if _, err := w.Charge(nil, Charge{Order: string(rune('a' + i)), Amount: 1}); err != nil {
			t.Fatal(err)
		}
	}
	if len(w.Done) != remembered {
		t.Errorf("%d orders are remembered", len(w.Done))
	}
}
