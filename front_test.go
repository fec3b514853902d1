package clstr_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
)

// The entities of the tests: accounts, and orders that ask them.
type (
	Account  struct{ balance int64 }
	Deposit  struct{ Amount int64 }
	Touch    struct{}
	Balance  struct{ Amount int64 }
	Order    struct{}
	Transfer struct {
		To     string
		Amount int64
	}
)

var errBadAmount = errors.New("the amount must be positive")

func init() { cluster.RegisterError("front.bad_amount", errBadAmount) }

func (a *Account) Deposit(_ *actor.Context, m Deposit) (Balance, error) {
	if m.Amount < 0 {
		return Balance{}, errBadAmount
	}
	a.balance += m.Amount
	return Balance{a.balance}, nil
}

func (a *Account) Touch(*actor.Context, Touch) error { a.balance++; return nil }

func (o *Order) Transfer(c *actor.Context, m Transfer) (Balance, error) {
	return clstr.Ask[Balance](c, clstr.From(c).Key(accounts, m.To), Deposit{m.Amount})
}

var (
	accounts = actor.Define("account", func(string) *Account { return &Account{} },
		actor.OnRequest((*Account).Deposit), actor.OnNotify((*Account).Touch))
	orders = actor.Define("order", func(string) *Order { return &Order{} },
		actor.OnRequest((*Order).Transfer))
)

var quiet = slog.New(slog.DiscardHandler)

// open opens a service that ends with the test.
func open(t testing.TB, opts clstr.Options) *clstr.Service {
	t.Helper()
	if opts.Name == "" {
		opts.Name = "bank"
	}
	if opts.Log == nil {
		opts.Log = quiet
	}
	if opts.Node.Timing == (cluster.NodeOptions{}).Timing {
		opts.Node.Timing = testkit.LiveTiming
		opts.Node.Timing.Lease = 20 * time.Second // no lease ends on a busy machine
	}
	svc, err := clstr.Open(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := svc.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return svc
}

func deposit(t testing.TB, svc *clstr.Service, key string, amount int64) int64 {
	t.Helper()
	b, err := clstr.Ask[Balance](t.Context(), svc.Key(accounts, key), Deposit{amount})
	if err != nil {
		t.Errorf("%s: %v", key, err)
	}
	return b.Amount
}

// networks runs a subtest on each network. It must leave nothing running.
func networks(t *testing.T, f func(t *testing.T, on clstr.Network)) {
	t.Run("memory", func(t *testing.T) {
		testkit.CheckLeaks(t)
		f(t, clstr.Memory())
	})
	t.Run("nats", func(t *testing.T) {
		testkit.CheckLeaks(t)
		f(t, clstr.NATS(startNATS(t).URL()))
	})
}

func startNATS(t testing.TB) *testkit.NATSServer {
	t.Helper()
	return testkit.StartNATSServer(t, &server.Options{JetStream: true, StoreDir: t.TempDir()})
}

// TestTwoShareKeys: each process reaches all keys, which live once, and a client does.
func TestTwoShareKeys(t *testing.T) {
	networks(t, func(t *testing.T, on clstr.Network) {
		a := open(t, clstr.Options{On: on, Entities: clstr.Host(accounts, orders), Shards: 16})
		b := open(t, clstr.Options{On: on, Entities: clstr.Host(accounts, orders)})
		client := open(t, clstr.Options{On: on})
		nodes := map[string]bool{}
		for i := range 50 {
			key := fmt.Sprint("acc-", i)
			for j, svc := range []*clstr.Service{a, b, client} {
				if got := deposit(t, svc, key, 1); got != int64(j+1) {
					t.Errorf("%s has %d after %d deposits", key, got, j+1)
				}
			}
			info, err := client.Key(accounts, key).GetNodeInfo(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			nodes[info.NodeID] = true
		}
		if len(nodes) != 2 || !nodes[a.Node().ID()] || !nodes[b.Node().ID()] {
			t.Errorf("the keys live on %v", nodes)
		}
		if client.Node() != nil || !client.Health().Serving || !a.Health().Serving {
			t.Errorf("client %+v, node %+v", client.Health(), a.Health())
		}
		if got, err := clstr.Ask[Balance](t.Context(), client.Key(orders, "1"), Transfer{"acc-7", 100}); err != nil || got.Amount != 103 {
			t.Errorf("an entity asks another through its service: %v, %v", got, err)
		}
		if err := clstr.Tell(t.Context(), client.Kind("account").Key("acc-7"), Touch{}); err != nil {
			t.Error(err)
		}
		if got := deposit(t, a, "acc-7", 0); got != 104 {
			t.Errorf("after a notification there are %d", got)
		}
		_, err := clstr.Ask[Balance](t.Context(), client.Key(accounts, "acc-1"), Deposit{-1})
		if !errors.Is(err, errBadAmount) || cluster.OutcomeOf(err) != cluster.RanAndFailed {
			t.Errorf("got %v", err)
		}
	})
}

// TestPlannedLeave: a process that leaves hands its keys over, and callers see no error.
func TestPlannedLeave(t *testing.T) {
	networks(t, func(t *testing.T, on clstr.Network) {
		a := open(t, clstr.Options{On: on, Entities: clstr.Host(accounts), Shards: 16})
		b := open(t, clstr.Options{On: on, Entities: clstr.Host(accounts)})
		for i := range 50 {
			deposit(t, b, fmt.Sprint("acc-", i), 1)
		}
		deposit(t, a, "acc-1", 1)
		if err := a.Close(t.Context()); err != nil {
			t.Error(err)
		}
		for i := range 50 {
			deposit(t, b, fmt.Sprint("acc-", i), 1)
		}
		if h := b.Health(); h.ShardsOwned != 16 {
			t.Errorf("the other has %d shards", h.ShardsOwned)
		}
		_, err := clstr.Ask[Balance](t.Context(), a.Key(accounts, "acc-1"), Deposit{1})
		if !errors.Is(err, cluster.ErrTransportClosed) || !cluster.OutcomeOf(err).NeverRan() {
			t.Errorf("a call of the one that has left: %v", err)
		}
		if h := a.Health(); h.Serving || h.Why != cluster.NodeEnded {
			t.Errorf("the one that has left says %+v", h)
		}
	})
}

// TestClientBeforeNodes: a client opens before any node, and its call waits for one.
func TestClientBeforeNodes(t *testing.T) {
	networks(t, func(t *testing.T, on clstr.Network) {
		client := open(t, clstr.Options{On: on})
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		_, err := clstr.Ask[Balance](ctx, client.Key(accounts, "acc-1"), Deposit{1})
		if err == nil || !cluster.OutcomeOf(err).NeverRan() || ctx.Err() == nil {
			t.Errorf("before there is a node: %v", err)
		}
		answered := make(chan error, 1)
		go func() { // ends with the call
			_, err := clstr.Ask[Balance](context.Background(), client.Key(accounts, "acc-1"), Deposit{1})
			answered <- err
		}()
		open(t, clstr.Options{On: on, Entities: clstr.Host(accounts)})
		if err := <-answered; err != nil {
			t.Error(err)
		}
	})
}

// TestNamesAreApart: services of other names do not meet.
func TestNamesAreApart(t *testing.T) {
	networks(t, func(t *testing.T, on clstr.Network) {
		a := open(t, clstr.Options{On: on, Name: "a", Entities: clstr.Host(accounts), Shards: 8})
		b := open(t, clstr.Options{On: on, Name: "b", Entities: clstr.Host(accounts), Shards: 32})
		deposit(t, a, "acc-1", 5)
		if got := deposit(t, b, "acc-1", 1); got != 1 {
			t.Errorf("the other service has %d", got)
		}
	})
}

func TestTellOfARequest(t *testing.T) {
	key := open(t, clstr.Options{Name: "bank", On: clstr.Memory(), Entities: clstr.Host(accounts)}).Key(accounts, "acc-1")
	if err := clstr.Tell(t.Context(), key, Deposit{100}); err != nil {
		t.Error(err)
	}
	if balance, err := clstr.Ask[Balance](t.Context(), key, Deposit{1}); err != nil || balance.Amount != 101 {
		t.Errorf("%v, %v", balance, err)
	}
}

func TestAskOfANotification(t *testing.T) {
	key := open(t, clstr.Options{Name: "bank", On: clstr.Memory(), Entities: clstr.Host(accounts)}).Key(accounts, "acc-1")
	_, err := clstr.Ask[Balance](t.Context(), key, Touch{})
	if !errors.Is(err, cluster.ErrReply) || cluster.OutcomeOf(err) != cluster.RanAndFailed || !strings.Contains(err.Error(), "OnNotify") {
		t.Errorf("got %v", err)
	}
}
