package clstr_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/testkit"
)

// TestInABubble: in memory a service works where time is virtual, with the timing of
// production, and leaves nothing behind.
func TestInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		on := clstr.Memory()
		a, err := clstr.Open(t.Context(), clstr.Options{Name: "bank", On: on, Entities: clstr.Host(accounts), Log: quiet})
		if err != nil {
			t.Fatal(err)
		}
		b := open(t, clstr.Options{On: on, Entities: clstr.Host(accounts), Node: cluster.NodeOptions{Timing: membership.DefaultTiming}})
		if n := a.Health().ShardsOwned + b.Health().ShardsOwned; n != cluster.DefaultNumShards {
			t.Errorf("%d shards", n)
		}
		deposit(t, b, "acc-1", 1)
		if err := a.Close(t.Context()); err != nil {
			t.Error(err)
		}
		deposit(t, b, "acc-1", 1)
	})
}

// TestCloseIsOne: however often, and by however many, Close is one; nil has none.
func TestCloseIsOne(t *testing.T) {
	testkit.CheckLeaks(t)
	if err := (*clstr.Service)(nil).Close(t.Context()); err != nil {
		t.Error(err)
	}
	svc := open(t, clstr.Options{On: clstr.Memory(), Entities: clstr.Host(accounts)})
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			if err := svc.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if err := svc.Run(t.Context()); err != nil { // Close came before Run
		t.Error(err)
	}
}

// saver is an entity that saves when it is passivated.
type saver struct{ saved chan<- string }

func (s *saver) Touch(*actor.Context, Touch) error { return nil }
func (s *saver) save(c *actor.Context) error       { s.saved <- c.Key(); return nil }

// TestRunDrains: Run ends with its context, and stop hooks have run by then.
func TestRunDrains(t *testing.T) {
	networks(t, func(t *testing.T, on clstr.Network) {
		saved := make(chan string, 1)
		savers := actor.Define("saver", func(string) *saver { return &saver{saved} },
			actor.OnNotify((*saver).Touch), actor.OnPassivate((*saver).save))
		svc := open(t, clstr.Options{On: on, Entities: clstr.Host(savers), Shards: 4})
		if err := clstr.Tell(t.Context(), svc.Key(savers, "s-1"), Touch{}); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ran := make(chan error)
		go func() { ran <- svc.Run(ctx) }() // ends with ctx
		stop()
		if err := <-ran; err != nil {
			t.Error(err)
		}
		select {
		case key := <-saved:
			if key != "s-1" {
				t.Errorf("%q was saved", key)
			}
		default:
			t.Error("Run has returned before the stop hook")
		}
	})
}

// deaf is an entity that does not hear that its time is up.
type deaf struct{ begun, goOn chan struct{} }

func (d *deaf) Touch(*actor.Context, Touch) (Touch, error) {
	close(d.begun)
	<-d.goOn
	return Touch{}, nil
}

// TestCloseEndsWithItsContext: a handler that goes on holds nobody up for longer than
// that. Run, and Close with a context that has ended before, have a bound of their own.
func TestCloseEndsWithItsContext(t *testing.T) {
	for name, end := range map[string]func(*clstr.Service, context.Context) error{
		"run": (*clstr.Service).Run, "close with an ended context": (*clstr.Service).Close,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &deaf{make(chan struct{}), make(chan struct{})}
				deafs := actor.Define("deaf", func(string) *deaf { return d }, actor.OnRequest((*deaf).Touch))
				svc, err := clstr.Open(t.Context(), clstr.Options{Name: "deaf", On: clstr.Memory(), Entities: clstr.Host(deafs), Shards: 4, Log: quiet})
				if err != nil {
					t.Fatal(err)
				}
				go func() { _, _ = clstr.Ask[Touch](context.Background(), svc.Key(deafs, "d"), Touch{}) }() // ends with the call
				<-d.begun
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				began := time.Now()
				err = svc.Close(ctx)
				if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(fmt.Sprint(err), "deaf") || time.Since(began) != time.Second {
					t.Errorf("%v after %v", err, time.Since(began))
				}
				began = time.Now()
				if err = end(svc, ctx); err == nil || time.Since(began) < 10*time.Second || time.Since(began) > 55*time.Second {
					t.Errorf("%v after %v", err, time.Since(began))
				}
				close(d.goOn)
				_ = svc.Close(t.Context()) // an error, because it took so long
			})
		})
	}
}

// TestRunEndsWithTheNode: a node that an operator drains ends Run.
func TestRunEndsWithTheNode(t *testing.T) {
	testkit.CheckLeaks(t)
	store := make(chan membership.Store, 1)
	svc := open(t, clstr.Options{On: telling{clstr.Memory(), store}, Entities: clstr.Host(accounts), Shards: 4})
	ran := make(chan error)
	go func() { ran <- svc.Run(context.Background()) }() // ends with the node
	drain(t, <-store)
	if err := <-ran; err != nil {
		t.Error(err)
	}
}

// telling is a network that tells of its store.
type telling struct {
	clstr.Network
	store chan<- membership.Store
}

func (n telling) Join(ctx context.Context, m clstr.Member) (clstr.Link, error) {
	link, err := n.Network.Join(ctx, m)
	n.store <- link.Store
	return link, err
}

// drain writes an operator's wish, as clstr drain does.
func drain(t *testing.T, store membership.Store) {
	t.Helper()
	for {
		entries, _, err := store.Snapshot(t.Context(), record.MemberPrefix)
		if err != nil || len(entries) != 1 {
			t.Fatalf("%v, %v", entries, err)
		}
		m, err := record.Decode[record.Member](entries[0].Value)
		if err != nil {
			t.Fatal(err)
		}
		m.State = record.Leaving
		if m.Born == 0 {
			m.Born = entries[0].Rev
		}
		value, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = store.Write(t.Context(), entries[0].Key, entries[0].Rev, value); err == nil {
			return
		} else if !errors.Is(err, membership.ErrConflict) {
			t.Fatal(err)
		}
	}
}

// closer closes its own service.
type closer struct{}

func (*closer) Touch(c *actor.Context, _ Touch) (Touch, error) {
	return Touch{}, clstr.From(c).Close(c)
}

// TestCloseFromAHandler is refused, and does nothing.
func TestCloseFromAHandler(t *testing.T) {
	networks(t, func(t *testing.T, on clstr.Network) {
		closers := actor.Define("closer", func(string) *closer { return &closer{} }, actor.OnRequest((*closer).Touch))
		svc := open(t, clstr.Options{On: on, Entities: clstr.Host(closers), Shards: 4})
		for range 2 {
			if _, err := clstr.Ask[Touch](t.Context(), svc.Key(closers, "c"), Touch{}); !errors.Is(err, cluster.ErrFromHandler) {
				t.Errorf("got %v", err)
			}
		}
	})
}

// TestFromHooks: activation, passivation and periodic work know their service too.
func TestFromHooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := make(chan *clstr.Service, 9)
		look := func(_ *Account, c *actor.Context) error { seen <- clstr.From(c); return nil }
		lookers := actor.Define("looker", func(string) *Account { return &Account{} }, actor.OnRequest((*Account).Deposit),
			actor.OnActivate(look), actor.OnPassivate(look), actor.Every(time.Second, look), actor.PassivateAfter(2500*time.Millisecond))
		svc := open(t, clstr.Options{On: clstr.Memory(), Entities: clstr.Host(lookers), Shards: 4})
		if _, err := clstr.Ask[Balance](t.Context(), svc.Key(lookers, "l"), Deposit{1}); err != nil {
			t.Fatal(err)
		}
		for range 4 {
			if got := <-seen; got != svc {
				t.Errorf("a hook has the service %p, not %p", got, svc)
			}
		}
	})
	outside := clstr.From(t.Context())
	if outside != nil {
		t.Error("outside of a service there is one")
	}
	defer func() {
		if why := fmt.Sprint(recover()); !strings.Contains(why, "WithClient") {
			t.Errorf("it panics with %s", why)
		}
	}()
	outside.Key(accounts, "acc-1")
}

// TestHealthHandler answers for nodes and for clients.
func TestHealthHandler(t *testing.T) {
	testkit.CheckLeaks(t)
	on := clstr.Memory()
	node := open(t, clstr.Options{On: on, Entities: clstr.Host(accounts), Shards: 4})
	client := open(t, clstr.Options{On: on})
	check := func(svc *clstr.Service, path string, want int) {
		t.Helper()
		w := httptest.NewRecorder()
		svc.HealthHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		var body struct{ Node string }
		if err := json.NewDecoder(w.Body).Decode(&body); w.Code != want || err != nil || body.Node == "" {
			t.Errorf("%s: %d, %+v, %v", path, w.Code, body, err)
		}
	}
	for _, svc := range []*clstr.Service{node, client} {
		check(svc, "/readyz", 200)
		check(svc, "/livez", 200)
		if err := svc.Close(t.Context()); err != nil {
			t.Error(err)
		}
		check(svc, "/readyz", 503)
		check(svc, "/livez", 200)
	}
}

// TestCloseEndsWhatWaits: a call of a service that is closed does not wait for its reply,
// although another process goes on with it.
func TestCloseEndsWhatWaits(t *testing.T) {
	networks(t, func(t *testing.T, on clstr.Network) {
		started, release := make(chan struct{}), make(chan struct{})
		slow := actor.Define("slow", func(string) *Account { return new(Account) }, actor.OnRequest(func(*Account, *actor.Context, Deposit) (Balance, error) {
			close(started)
			<-release
			return Balance{}, nil
		}))
		open(t, clstr.Options{On: on, Entities: clstr.Host(slow)})
		defer close(release) // also where the call waits for it
		client := open(t, clstr.Options{On: on})
		failed := make(chan error, 1)
		go func() { // ends with the service
			_, err := clstr.Ask[Balance](context.Background(), client.Key(slow, "k"), Deposit{})
			failed <- err
		}()
		<-started
		if err := client.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-failed; !errors.Is(err, cluster.ErrTransportClosed) || cluster.OutcomeOf(err) != cluster.MaybeRan {
			t.Errorf("got %v (%v)", err, cluster.OutcomeOf(err))
		}
	})
}
