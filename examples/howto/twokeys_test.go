package howto_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/state/memstate"
	"github.com/clstr-go/clstr/testkit"
)

// docs/howto/two-keys.md

type (
	Account  struct{ Balance int64 }
	Withdraw struct{ Amount int64 }
	Deposit  struct{ Amount int64 }
	Balance  struct{ Amount int64 }
)

var errNoFunds = errors.New("not enough money in the account")

func (a *Account) Withdraw(_ *actor.Context, m Withdraw) (Balance, error) {
	if m.Amount > a.Balance {
		return Balance{}, errNoFunds
	}
	a.Balance -= m.Amount
	return Balance{a.Balance}, nil
}

func (a *Account) Deposit(_ *actor.Context, m Deposit) (Balance, error) {
	a.Balance += m.Amount
	return Balance{a.Balance}, nil
}

const known = time.Hour // how long an account knows the ID of a step

var accounts = actor.Define("account", func(string) *Account { return &Account{} },
	actor.OnRequest((*Account).Withdraw), actor.OnRequest((*Account).Deposit),
	actor.Durable(actor.Persistence{Window: known}))

type (
	Move struct {
		From, To string
		Amount   int64
	}
	Moved struct{ Stage string } // done, or refused
)

// Transfer is one transfer, under its name as key.
type Transfer struct {
	Order Move
	Stage string // begun, done, refused
	Begun time.Time
}

var (
	errOtherOrder = errors.New("this transfer was begun with another order")
	errTooOld     = errors.New("the transfer was begun too long ago: compare it with both accounts")
)

func init() {
	cluster.RegisterError("howto.no_funds", errNoFunds)
	cluster.RegisterError("howto.other_order", errOtherOrder)
	cluster.RegisterError("howto.too_old", errTooOld)
}

// Move may be repeated: both steps have IDs, so that each is done once, however often it is asked.
func (t *Transfer) Move(c *actor.Context, m Move) (Moved, error) {
	if t.Stage == "" {
		*t = Transfer{Order: m, Stage: "begun", Begun: time.Now()}
	}
	switch {
	case t.Order != m:
		return Moved{}, errOtherOrder
	case t.Stage != "begun":
		return Moved{t.Stage}, nil // done or refused before
	case time.Since(t.Begun) > known*9/10:
		return Moved{}, errTooOld // the accounts may have forgotten the IDs
	}
	if err := c.Save(); err != nil { // before money moves, so that each repeat names the same accounts
		return Moved{}, err
	}
	from, to := clstr.From(c).Key(accounts, m.From), clstr.From(c).Key(accounts, m.To)
	_, err := clstr.Ask[Balance](c, from, Withdraw{m.Amount}, cluster.WithID(c.Key()+"/out"))
	if errors.Is(err, errNoFunds) {
		t.Stage = "refused"
		return Moved{t.Stage}, nil
	}
	if err == nil {
		_, err = clstr.Ask[Balance](c, to, Deposit{m.Amount}, cluster.WithID(c.Key()+"/in"))
	}
	if err != nil {
		return Moved{}, err // what was saved is kept, and a repeat goes on
	}
	t.Stage = "done"
	return Moved{t.Stage}, nil
}

var transfers = actor.Define("transfer", func(string) *Transfer { return &Transfer{} },
	actor.OnRequest((*Transfer).Move), actor.Durable(actor.Persistence{}), actor.PassivateAfter(time.Minute))

// settle repeats a transfer until it is done or refused, or ctx ends.
func settle(ctx context.Context, transfer *cluster.ScopedClient, m Move) (Moved, error) {
	for {
		moved, err := clstr.Ask[Moved](ctx, transfer, m) // without an ID: the transfer's key is one
		if err == nil || errors.Is(err, errOtherOrder) || errors.Is(err, errTooOld) {
			return moved, err
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return Moved{}, err
		}
	}
}

func TestTwoKeys(t *testing.T) {
	svc := testkit.Open(t, accounts, transfers)
	if _, err := clstr.Ask[Balance](t.Context(), svc.Key(accounts, "ada"), Deposit{100}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name     string
		m        Move
		stage    string
		err      error
		ada, bob int64
	}{
		{"t-1", Move{"ada", "bob", 30}, "done", nil, 70, 30},
		{"t-1", Move{"ada", "bob", 30}, "done", nil, 70, 30},
		{"t-1", Move{"ada", "bob", 31}, "", errOtherOrder, 70, 30},
		{"t-2", Move{"ada", "bob", 71}, "refused", nil, 70, 30},
		{"t-3", Move{"ada", "ada", 10}, "done", nil, 70, 30},
	} {
		moved, err := settle(t.Context(), svc.Key(transfers, c.name), c.m)
		if moved.Stage != c.stage || !errors.Is(err, c.err) {
			t.Errorf("%s %v: %v, %v", c.name, c.m, moved, err)
		}
		for name, want := range map[string]int64{"ada": c.ada, "bob": c.bob} {
			if b, err := clstr.Ask[Balance](t.Context(), svc.Key(accounts, name), Deposit{0}); err != nil || b.Amount != want {
				t.Errorf("%s %v: %s has %v, %v; want %d", c.name, c.m, name, b, err, want)
			}
		}
	}
}

// bank is a cluster whose store answers late, so that deaths come between a change and its answer.
type bank struct {
	*testkit.Cluster
	t *testing.T
}

func openBank(t *testing.T, seed uint64, calls *testkit.Faults) bank {
	late := testkit.NewStateFaults(seed, testkit.StateRule{DelayAnswer: 1, DelayMin: 50 * time.Millisecond, DelayMax: 2 * time.Second})
	return bank{testkit.NewCluster(t, testkit.ClusterOptions{
		Live: true,
		Kinds: map[string]cluster.ServerHandlerFunc{
			"account": cluster.NewActorHandler(accounts.New), "transfer": cluster.NewActorHandler(transfers.New),
		},
		State: late.Store(memstate.New()),
		Wrap:  calls.Client,
	}), t}
}

// pays deposits money, and returns the balance.
func (b bank) pays(account string, amount int64) int64 {
	b.t.Helper()
	balance, err := clstr.Ask[Balance](b.t.Context(), b.Client().Kind("account").Key(account), Deposit{amount})
	if err != nil {
		b.t.Fatal(err)
	}
	return balance.Amount
}

func (b bank) transfer(name string) *cluster.ScopedClient {
	return b.Client().Kind("transfer").Key(name)
}

// Nodes die one after the other while money moves around: each transfer is done once, or refused.
func TestTransfersOutliveDeaths(t *testing.T) {
	for seed := range uint64(3) {
		synctest.Test(t, func(t *testing.T) {
			b := openBank(t, seed, testkit.NewFaults(seed))
			names, want := []string{"ada", "bob", "cy"}, map[string]int64{}
			for _, name := range names {
				want[name] = b.pays(name, 100)
			}
			var all sync.WaitGroup
			var mu sync.Mutex // guards want
			for i := range 30 {
				m := Move{names[i%3], names[(i+1+i/3%2)%3], int64(1 + i*7%40)}
				all.Go(func() {
					moved, err := settle(t.Context(), b.transfer(fmt.Sprint("t-", i)), m)
					if err != nil {
						t.Error(err)
					}
					if moved.Stage == "done" {
						mu.Lock()
						defer mu.Unlock()
						want[m.From] -= m.Amount
						want[m.To] += m.Amount
					}
				})
			}
			for _, id := range b.Nodes() {
				time.Sleep(3 * time.Second)
				b.KillNode(id)
				time.Sleep(20 * time.Second) // the others have declared it dead
				b.StartNode(id)
				b.Settle()
			}
			all.Wait()
			for _, name := range names {
				if got := b.pays(name, 0); got != want[name] {
					t.Errorf("seed %d: %s has %d, want %d", seed, name, got, want[name])
				}
			}
		})
	}
}

// The second account cannot be reached, and the caller has given its own message an ID: its repeat is refused,
// because the first try has saved a part. Without an ID the repeat goes on from there.
func TestTransferWithAnID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := testkit.NewFaults(1)
		b := openBank(t, 1, calls)
		b.pays("ada", 100)
		calls.SetRules(testkit.FaultRule{Keys: []string{"bob"}, Types: []string{"Deposit"}, DropReply: 1})
		move := func(opts ...cluster.EnvelopeOption) (Moved, error) {
			return clstr.Ask[Moved](t.Context(), b.transfer("t-1"), Move{"ada", "bob", 30}, opts...)
		}
		if _, err := move(cluster.WithID("mine")); err == nil {
			t.Error("bob's answers are lost, and the transfer is done")
		}
		calls.SetRules()
		if _, err := move(cluster.WithID("mine")); !errors.Is(err, cluster.ErrBegun) {
			t.Errorf("got %v", err)
		}
		if moved, err := move(); err != nil || moved.Stage != "done" {
			t.Errorf("%v, %v", moved, err)
		}
		if ada, bob := b.pays("ada", 0), b.pays("bob", 0); ada != 70 || bob != 30 {
			t.Errorf("ada has %d, bob %d", ada, bob)
		}
	})
}

// An order that was begun yesterday does not move money: the accounts may have forgotten what it has done.
func TestTransferOfYesterday(t *testing.T) {
	old := Transfer{Order: Move{"ada", "bob", 30}, Stage: "begun", Begun: time.Now().Add(-12 * time.Hour)}
	if _, err := old.Move(nil, old.Order); !errors.Is(err, errTooOld) {
		t.Errorf("got %v", err)
	}
	old.Stage = "done"
	if moved, err := old.Move(nil, old.Order); err != nil || moved.Stage != "done" {
		t.Errorf("%v, %v", moved, err)
	}
}
