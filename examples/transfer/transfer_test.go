package transfer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
)

// docs/testing.md shows these tests.

// An entity is a struct with methods.
func TestWithdraw(t *testing.T) {
	a := &Account{balance: 10}
	_, err := a.Withdraw(nil, Withdraw{Amount: 50})
	if funds, ok := errors.AsType[*InsufficientFunds](err); !ok || funds.Balance != 10 {
		t.Errorf("got %v", err)
	}
}

// Alone, it is hosted as in production, and time is virtual.
func TestAuditIsCutShort(t *testing.T) {
	testkit.Alone(t, accounts.New, "alice", testkit.AloneOptions{}, func(t *testing.T, e *testkit.Entity) {
		if _, err := testkit.Ask[Balance](e, Deposit{Amount: 100}); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_, err := testkit.Ask[Balance](e, Audit{})
		if !errors.Is(err, context.DeadlineExceeded) || cluster.OutcomeOf(err) != cluster.MaybeRan {
			t.Errorf("got %v (%v)", err, cluster.OutcomeOf(err))
		}
		if waited := time.Since(began); waited != 30*time.Second { // no time of the test's
			t.Errorf("waited for %v", waited)
		}
		e.Crash() // what is only in memory is lost
		if b, err := testkit.Ask[Balance](e, Deposit{Amount: 1}); err != nil || b.Amount != 1 {
			t.Errorf("got %v, %v", b, err)
		}
	})
}

// An order alone: the test answers for the accounts.
func TestOrderIsRefused(t *testing.T) {
	client := testkit.StubClient(func(_ context.Context, env cluster.Envelope) ([]byte, error) {
		if env.Type == "Withdraw" && env.Key == "alice" {
			return nil, &InsufficientFunds{Balance: 10, Wanted: 30}
		}
		return json.Marshal(Balance{50})
	})
	testkit.Alone(t, orders.New, "1", testkit.AloneOptions{Client: client}, func(t *testing.T, e *testkit.Entity) {
		_, err := testkit.Ask[Receipt](e, Transfer{"alice", "bob", 30})
		if funds, ok := errors.AsType[*InsufficientFunds](err); !ok || funds.Balance != 10 {
			t.Errorf("got %v", err)
		}
		if r, err := testkit.Ask[Receipt](e, Transfer{"bob", "alice", 30}); err != nil || r != (Receipt{50, 50}) {
			t.Errorf("got %+v, %v", r, err)
		}
	})
}

// A service in memory hosts both, and ends with the test.
func TestTransfer(t *testing.T) {
	svc := testkit.Open(t, accounts, orders)
	if _, err := clstr.Ask[Balance](t.Context(), svc.Key(accounts, "alice"), Deposit{Amount: 100}); err != nil {
		t.Fatal(err)
	}
	r, err := clstr.Ask[Receipt](t.Context(), svc.Key(orders, "1"), Transfer{"alice", "bob", 30})
	if err != nil || r != (Receipt{70, 30}) {
		t.Errorf("got %+v, %v", r, err)
	}
}

// startBank starts three nodes. Kinds are what the test puts in place of the entities.
func startBank(t *testing.T, opts testkit.ClusterOptions) *testkit.Cluster {
	kinds := map[string]cluster.ServerHandlerFunc{
		"account": cluster.NewActorHandler(accounts.New),
		"order":   cluster.NewActorHandler(orders.New),
	}
	maps.Copy(kinds, opts.Kinds)
	opts.Kinds = kinds
	return testkit.NewCluster(t, opts)
}

func account(c *testkit.Cluster, key string) *cluster.ScopedClient {
	return c.Client().Kind("account").Key(key)
}

func order(c *testkit.Cluster, key string) *cluster.ScopedClient {
	return c.Client().Kind("order").Key(key)
}

func deposit(t *testing.T, c *testkit.Cluster, key string, amount int64) (balance int64) {
	t.Helper()
	b, err := clstr.Ask[Balance](t.Context(), account(c, key), Deposit{Amount: amount})
	if err != nil {
		t.Fatal(err)
	}
	return b.Amount
}

// What holds in memory must hold over NATS.
func TestTransfersBothWays(t *testing.T) {
	testkit.EachTransport(t, func(t *testing.T, kind testkit.TransportKind) {
		testkit.CheckLeaks(t)
		c := startBank(t, testkit.ClusterOptions{Transport: kind})
		deposit(t, c, "alice", 1000)
		deposit(t, c, "bob", 1000)
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				m := Transfer{"alice", "bob", 7}
				if i%2 == 0 {
					m = Transfer{"bob", "alice", 7}
				}
				if _, err := clstr.Ask[Receipt](t.Context(), order(c, fmt.Sprint("order-", i)), m); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if a, b := deposit(t, c, "alice", 1), deposit(t, c, "bob", 1); a+b != 2002 {
			t.Errorf("alice has %d, bob %d", a, b)
		}
	})
}

// A node dies: its keys are refused until it is back.
func TestNodeDies(t *testing.T) {
	c := startBank(t, testkit.ClusterOptions{Transport: testkit.NATS})
	key := c.KeyOf("node-1")
	c.KillNode("node-1")
	_, err := clstr.Ask[Balance](t.Context(), account(c, key), Deposit{Amount: 1})
	if !errors.Is(err, cluster.ErrTransportNoShardSubscriber) || !cluster.OutcomeOf(err).NeverRan() {
		t.Errorf("got %v", err)
	}
	c.StartNode("node-1")
	if got := deposit(t, c, key, 5); got != 5 {
		t.Errorf("got %d", got)
	}
}

// Messages that come twice move money once.
func TestDuplicates(t *testing.T) {
	faults := testkit.NewFaults(42, testkit.FaultRule{Types: []string{"Transfer"}, Duplicate: 1})
	c := startBank(t, testkit.ClusterOptions{Wrap: faults.Client})
	deposit(t, c, "alice", 100)
	r, err := clstr.Ask[Receipt](t.Context(), order(c, "1"), Transfer{"alice", "bob", 30})
	if err != nil || r.From != 70 || faults.Injected().Duplicated != 1 {
		t.Fatalf("got %+v, %v, %+v", r, err, faults.Injected())
	}
	if got := deposit(t, c, "bob", 1); got != 31 {
		t.Errorf("bob has %d", got)
	}
}

// A reply is lost on its way back from an account, and the order is sent again:
// money moves once.
func TestLostReply(t *testing.T) {
	for account, msg := range map[string]string{"alice": "Withdraw", "bob": "Deposit"} {
		synctest.Test(t, func(t *testing.T) { // where deadlines take no time
			faults := testkit.NewFaults(42, testkit.FaultRule{Keys: []string{account}, Types: []string{msg}, DropReply: 1, First: 1})
			c := startBank(t, testkit.ClusterOptions{Wrap: faults.Client})
			deposit(t, c, "alice", 100)
			if _, err := clstr.Ask[Receipt](t.Context(), order(c, "1"), Transfer{"alice", "bob", 30}); cluster.OutcomeOf(err) != cluster.MaybeRan {
				t.Errorf("%s: got %v (%v)", msg, err, cluster.OutcomeOf(err))
			}
			for range 2 {
				if r, err := clstr.Ask[Receipt](t.Context(), order(c, "1"), Transfer{"alice", "bob", 30}); err != nil || r != (Receipt{70, 30}) {
					t.Errorf("%s, again: %+v, %v", msg, r, err)
				}
			}
			if a, b := deposit(t, c, "alice", 1), deposit(t, c, "bob", 1); a != 71 || b != 31 {
				t.Errorf("%s: alice has %d, bob %d", msg, a, b)
			}
		})
	}
}

// Bob cannot be reached: the money is on its way until the order is sent again.
func TestHalfAnOrder(t *testing.T) {
	faults := testkit.NewFaults(42)
	c := startBank(t, testkit.ClusterOptions{Wrap: faults.Client})
	deposit(t, c, "alice", 100)
	deposit(t, c, "bob", 1) // a client's first call to a shard would look again for its node
	faults.SetRules(testkit.FaultRule{Keys: []string{"bob"}, Fail: 1, Err: cluster.ErrTransportNoShardSubscriber, First: 1})
	_, err := clstr.Ask[Receipt](t.Context(), order(c, "1"), Transfer{"alice", "bob", 30})
	if !errors.Is(err, cluster.ErrTransportNoShardSubscriber) || cluster.OutcomeOf(err) != cluster.RanAndFailed {
		t.Errorf("got %v (%v)", err, cluster.OutcomeOf(err))
	}
	if r, err := clstr.Ask[Receipt](t.Context(), order(c, "1"), Transfer{"alice", "bob", 30}); err != nil || r != (Receipt{70, 31}) {
		t.Errorf("again: %+v, %v", r, err)
	}
}

// Orders are told apart by all that they say: none makes or loses money.
func TestOrdersThatDiffer(t *testing.T) {
	c := startBank(t, testkit.ClusterOptions{})
	deposit(t, c, "alice", 100)
	for _, m := range []Transfer{{"alice", "bob", 30}, {"alice", "carol", 30}, {"alice", "bob", 10}, {"alice", "alice", 20}} {
		if _, err := clstr.Ask[Receipt](t.Context(), order(c, "1"), m); err != nil {
			t.Errorf("%+v: %v", m, err)
		}
	}
	if a, b, c := deposit(t, c, "alice", 1), deposit(t, c, "bob", 1), deposit(t, c, "carol", 1); a != 31 || b != 41 || c != 31 {
		t.Errorf("alice has %d, bob %d, carol %d", a, b, c)
	}
}

// What an account remembers is bounded.
func TestOldOrders(t *testing.T) {
	a := &Account{balance: 10}
	for i := range 3000 {
		m := Deposit{1, fmt.Sprint("order ", i)}
		first, err := a.Deposit(nil, m)
		if again, _ := a.Deposit(nil, m); err != nil || again != first || first.Amount != int64(11+i) {
			t.Fatalf("%+v, %v, again %+v", first, err, again)
		}
	}
	if _, err := a.Withdraw(nil, Withdraw{Amount: 3010}); err != nil || len(a.recent) != 1000 || cap(a.recent) > 4000 {
		t.Errorf("%v, remembers %d of %d", err, len(a.recent), cap(a.recent))
	}
}

// A recorder sees what reaches a handler.
func TestOrderAsksAccounts(t *testing.T) {
	seen := testkit.NewRecorder()
	c := startBank(t, testkit.ClusterOptions{Kinds: map[string]cluster.ServerHandlerFunc{
		"account": seen.Wrap(cluster.NewActorHandler(accounts.New)),
	}})
	deposit(t, c, "alice", 100)
	if _, err := clstr.Ask[Receipt](t.Context(), order(c, "1"), Transfer{"alice", "bob", 30}); err != nil {
		t.Fatal(err)
	}
	for i, m := range seen.Expect(t, 3) {
		if want := []string{"Deposit alice", "Withdraw alice", "Deposit bob"}[i]; m.Type+" "+m.Key != want {
			t.Errorf("%v; want %s", m, want)
		}
	}
}
