package handlers_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/handlers"
	"github.com/clstr-go/clstr/internal/hosting"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/memtransport"
)

// visits is an entity that counts its messages.
type visits struct{ n int }

type visit struct{}

func (v *visits) visit(c *actor.Context, _ visit) (string, error) {
	v.n++
	return fmt.Sprint(c.Kind(), " ", v.n), nil
}

func (c caller) visit(t testing.TB, want string) {
	t.Helper()
	reply, err := c(context.Background(), transport.Envelope{Key: "k", Type: "visit", Data: []byte("{}")})
	if err != nil || string(reply) != `"`+want+`"` {
		t.Errorf("got %s, %v, want %q", reply, err, want)
	}
}

// newVisits makes a handler that counts how many entities have ended.
func newVisits() (h transport.HandlerFunc, ended *atomic.Int64) {
	ended = new(atomic.Int64)
	def := actor.Define("visits", func(string) *visits { return &visits{} },
		actor.OnRequest((*visits).visit),
		actor.OnPassivate(func(*visits, *actor.Context) error { ended.Add(1); return nil }),
	)
	return handlers.NewActorHandler(def.New), ended
}

func unwrapped(h transport.HandlerFunc) transport.HandlerFunc { return h }

var wraps = map[string]func(transport.HandlerFunc) transport.HandlerFunc{"direct": unwrapped, "wrapped": wrapped}

// TestOneFuncOnTwoNodes: each node has its own actors, which end with it.
func TestOneFuncOnTwoNodes(t *testing.T) {
	for name, wrap := range wraps {
		t.Run(name, func(t *testing.T) {
			inner, ended := newVisits()
			h := wrap(inner)
			a, b := newNode(t, memtransport.Options{}), newNode(t, memtransport.Options{})
			onA, onB := a.serve(t, h, hosting.Setup{}), b.serve(t, h, hosting.Setup{})
			onA.visit(t, " 1")
			onB.visit(t, " 1")
			onA.visit(t, " 2")
			a.end()
			if n := ended.Load(); n != 1 {
				t.Errorf("%d entities have ended with one node", n)
			}
			onB.visit(t, " 2")
			b.end()
			if n := ended.Load(); n != 2 {
				t.Errorf("%d entities have ended with both nodes", n)
			}
		})
	}
}

// TestOneFuncForTwoKinds: equal keys of two kinds are two actors.
func TestOneFuncForTwoKinds(t *testing.T) {
	for name, wrap := range wraps {
		t.Run(name, func(t *testing.T) {
			inner, ended := newVisits()
			h := wrap(inner)
			n := newNode(t, memtransport.Options{})
			seen := newCensus()
			none := n.serve(t, h, hosting.Setup{Observer: seen})
			order := n.serve(t, h, hosting.Setup{Kind: "order", Observer: seen})
			user := n.serve(t, h, hosting.Setup{Kind: "user", Observer: seen})
			for i := 1; i <= 2; i++ {
				order.visit(t, fmt.Sprint("order ", i))
				user.visit(t, fmt.Sprint("user ", i))
				none.visit(t, fmt.Sprint(" ", i))
			}
			for _, kind := range []string{"", "order", "user"} {
				if got := seen.get(seen.activated, kind); got != 1 {
					t.Errorf("kind %q: %d activations were told", kind, got)
				}
			}
			n.end()
			if got := ended.Load(); got != 3 {
				t.Errorf("%d entities have ended", got)
			}
			for _, kind := range []string{"", "order", "user"} {
				if got := seen.get(seen.passivated, kind); got != 1 {
					t.Errorf("kind %q: %d passivations were told", kind, got)
				}
			}
		})
	}
}

// TestKindsFromTheWireMakeNoHosts where no node says which kinds there are.
func TestKindsFromTheWireMakeNoHosts(t *testing.T) {
	h, _ := newVisits()
	n := newNode(t, memtransport.Options{})
	if _, err := n.tr.SubscribeShard(t.Context(), 0, h); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		env := transport.Envelope{Kind: fmt.Sprint("kind-", i), Key: "k", Type: "visit", Data: []byte("{}")}
		reply, err := n.tr.Request(t.Context(), env)
		if want := fmt.Sprintf(`" %d"`, i+1); err != nil || string(reply) != want {
			t.Errorf("got %s, %v, want %s", reply, err, want)
		}
	}
}

// TestNestedMiddleware: one place for a handler is enough, since those that
// wait for their actor give it up.
func TestNestedMiddleware(t *testing.T) {
	h := wrapped(wrapped(handlers.NewKeyHandler(new(tally).create)))
	call := newNode(t, memtransport.Options{MaxConcurrentHandlers: 1}).serve(t, h, hosting.Setup{})
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			if _, err := call.ask(fmt.Sprint("key-", i%7), "Get"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}
