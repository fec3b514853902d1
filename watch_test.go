package clstr_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/internal/watchtest"
	"github.com/clstr-go/clstr/membership/natsstore"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/natsstate"
	"github.com/clstr-go/clstr/testkit"
)

// Ledger is durable, and all of its state is what watchtest.Account decodes.
type Ledger struct{ Balance int }

type Shred struct{}

func (l *Ledger) Deposit(c *actor.Context, m Deposit) (Balance, error) {
	if m.Amount < 0 {
		return Balance{}, errBadAmount
	}
	l.Balance += int(m.Amount)
	if m.Amount == 2 {
		c.Passivate()
	}
	return Balance{int64(l.Balance)}, nil
}

func (l *Ledger) Shred(c *actor.Context, _ Shred) (Balance, error) { return Balance{}, c.Delete() }

var ledgers = actor.Define("ledger", func(string) *Ledger { return &Ledger{} }, actor.Durable(actor.Persistence{Version: 3}),
	actor.OnRequest((*Ledger).Deposit), actor.OnRequest((*Ledger).Shred))

// put asks a ledger, and returns what it has then.
func put(t testing.TB, svc *clstr.Service, key string, amount int64) int {
	t.Helper()
	b, err := clstr.Ask[Balance](t.Context(), svc.Key(ledgers, key), Deposit{amount})
	if err != nil {
		t.Errorf("%s: %v", key, err)
	}
	return int(b.Amount)
}

// balance waits until a loop is told one; it may be told others before, which are less.
func balance(t testing.TB, l *watchtest.Loop, want int) {
	t.Helper()
	for {
		told := l.Next()
		if told.Err != nil || !told.Deleted && told.State.Balance > want {
			t.Fatalf("told %+v, want %d", told, want)
		}
		if !told.Deleted && told.State.Balance == want {
			return
		}
	}
}

// TestWatch: a loop follows a durable key through passivation, moves, the end of all processes, and
// its own end: in a process of the key, in one that hosts others, and in a client.
func TestWatch(t *testing.T) {
	networks(t, func(t *testing.T, on clstr.Network) {
		hosts := clstr.Options{On: on, Entities: clstr.Host(ledgers), Shards: 16}
		a := open(t, hosts)
		watchers := map[string]*clstr.Service{"client": open(t, clstr.Options{On: on}), "node": a}
		loops := map[string]*watchtest.Loop{}
		for name, svc := range watchers {
			loops[name] = watchtest.Watch(t, svc.Key(ledgers, "l"))
			loops[name].WantNone(0)
		}
		sees := func(want int) {
			t.Helper()
			for _, l := range loops {
				balance(t, l, want)
			}
		}
		sees(put(t, a, "l", 1))
		sees(put(t, a, "l", 2)) // and passivates
		sees(put(t, a, "l", 1))
		if _, err := clstr.Ask[Balance](t.Context(), a.Key(ledgers, "l"), Deposit{-1}); !errors.Is(err, errBadAmount) {
			t.Errorf("a bad amount: %v", err)
		}
		for range 2 { // the owners come and go, and one shard in two moves
			b := open(t, hosts)
			sees(put(t, b, "l", 1))
			if err := b.Close(t.Context()); err != nil {
				t.Error(err)
			}
			sees(put(t, a, "l", 1))
		}
		if _, err := clstr.Ask[Balance](t.Context(), a.Key(ledgers, "l"), Shred{}); err != nil {
			t.Error(err)
		}
		for _, l := range loops {
			if told := l.Next(); !told.Deleted || told.Err != nil {
				t.Errorf("told %+v of a key that was deleted", told)
			}
		}
		sees(put(t, a, "l", 1))

		loops["node"].Stop()
		delete(loops, "node")
		if err := a.Close(t.Context()); err != nil {
			t.Error(err)
		}
		c := open(t, hosts) // after all nodes have ended
		sees(put(t, c, "l", 1))

		if err := watchers["client"].Close(t.Context()); err != nil {
			t.Error(err)
		}
		if err := loops["client"].WantEnd(); !errors.Is(err, state.ErrClosed) {
			t.Errorf("the loop of a client that was closed ends with %v", err)
		}
	})
}

// TestWatchOfADeath: the process that hosts a key is cut off, and the loop of another goes on.
func TestWatchOfADeath(t *testing.T) {
	c := openCutOff(t, clstr.Host(ledgers), 4)
	loops, want := map[string]*watchtest.Loop{}, map[string]int{}
	for i := range 8 {
		key := fmt.Sprint("l", i)
		loops[key] = watchtest.Watch(t, c.rest.Key(ledgers, key))
		want[key] = put(t, c.rest, key, 1)
	}
	c.wire.Cut()
	for key, l := range loops {
		b := int(c.deposit(t, ledgers, key).Amount)
		if b <= want[key] {
			t.Errorf("%s: %d after %d", key, b, want[key])
		}
		balance(t, l, b)
	}
	c.end(t)
}

// TestWatchConnects: a process that hosts nothing durable has a connection for states once it has
// called Watch.
func TestWatchConnects(t *testing.T) {
	testkit.CheckLeaks(t)
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	on := clstr.NATS(s.ClientURL())
	open(t, clstr.Options{On: on, Entities: clstr.Host(ledgers), Shards: 4})
	client := open(t, clstr.Options{On: on})
	before := s.NumClients()
	for range 3 {
		for change, err := range clstr.Watch[Ledger](t.Context(), client.Key(ledgers, "l")) {
			if err != nil || !change.Deleted {
				t.Errorf("told %+v, %v", change, err)
			}
			break
		}
	}
	if n := s.NumClients(); n != before+1 {
		t.Errorf("%d connections, %d before", n, before)
	}
	if err := client.Close(t.Context()); err != nil {
		t.Error(err)
	}
	for _, err := range clstr.Watch[Ledger](t.Context(), client.Key(ledgers, "l")) {
		if !errors.Is(err, state.ErrClosed) {
			t.Errorf("a watch after Close: %v", err)
		}
	}
}

// TestWatchGivesUp: without a server a watch ends with its context, and says why.
func TestWatchGivesUp(t *testing.T) {
	testkit.CheckLeaks(t)
	srv := startNATS(t)
	open(t, clstr.Options{On: clstr.NATS(srv.URL()), Entities: clstr.Host(ledgers), Shards: 4})
	client := open(t, clstr.Options{On: clstr.NATS(srv.URL()), Shards: 4})
	srv.Stop()
	for noticed, giveUp := false, time.Now().Add(time.Minute); !noticed; { // the connection may not have noticed yet
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		told := 0
		for _, err := range clstr.Watch[Ledger](ctx, client.Key(ledgers, "l")) {
			told++
			noticed = errors.Is(err, cluster.ErrDisconnected)
			if !errors.Is(err, context.DeadlineExceeded) || !noticed && time.Now().After(giveUp) {
				t.Errorf("told %v", err)
			}
		}
		if cancel(); told != 1 {
			t.Fatalf("told %d times", told)
		}
	}
	srv.Restart()
}

// TestPermissionsOfStates: users with the rights that the documents give them are enough for nodes
// with durable entities, and for a client that watches one kind. A watch of another is refused.
func TestPermissionsOfStates(t *testing.T) {
	testkit.CheckLeaks(t)
	user := func(name string, publish, subscribe []string) *server.User {
		return &server.User{Username: name, Password: "p", Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Allow: publish}, Subscribe: &server.SubjectPermission{Allow: subscribe},
		}}
	}
	control, states, watches := natsstore.ControlPermissions("bank"), natsstate.NodePermissions("bank"), natsstate.WatchPermissions("bank", "ledger")
	url := testkit.StartNATSServer(t, &server.Options{JetStream: true, StoreDir: t.TempDir(), Users: []*server.User{
		user("control", control.Publish, control.Subscribe),
		user("states", states.Publish, states.Subscribe),
		user("data", []string{"bank.n.>", "bank.who", "bank.own", "_INBOX.>"}, []string{"bank.n.>", "bank.who", "bank.own", "_INBOX.data.>"}),
		user("alice", []string{"bank.n.>", "bank.who"}, []string{"bank.own", "_INBOX.alice.>"}),
		user("watcher", watches.Publish, append(watches.Subscribe, "_INBOX.watcher.>")),
	}}).URL()
	as := func(name string) []nats.Option {
		return []nats.Option{nats.UserInfo(name, "p"), nats.CustomInboxPrefix("_INBOX." + name)}
	}
	on := clstr.NATS(url)
	on.Transport.NATSOptions, on.Store.NATSOptions, on.State.NATSOptions = as("data"), as("control")[:1], as("states")[:1]
	node := open(t, clstr.Options{On: on, Entities: clstr.Host(ledgers), Shards: 8})
	on.Transport.NATSOptions, on.State.NATSOptions = as("alice"), as("watcher")
	client := open(t, clstr.Options{On: on})
	for _, svc := range []*clstr.Service{node, client} {
		l := watchtest.Watch(t, svc.Key(ledgers, "l"))
		balance(t, l, put(t, client, "l", 1))
	}
	for _, err := range clstr.Watch[Ledger](t.Context(), client.Kind("secret").Key("l")) {
		if !errors.Is(err, cluster.ErrNotPermitted) {
			t.Errorf("a watch of another kind is told %v", err)
		}
	}
}
