package clstr_test

import (
	"testing"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/handlers"
	"github.com/clstr-go/clstr/testkit"
)

// till is a protoactor actor whose state is stored.
type till struct{ has Balance }

// Receive implements protoactor's Actor.
func (a *till) Receive(c pactor.Context) {
	if m, ok := c.Message().(Deposit); ok {
		a.has.Amount += m.Amount
		c.Respond(a.has)
	}
}

// State implements actor.Stateful.
func (a *till) State() any { return a.has }

// SetState implements actor.Stateful.
func (a *till) SetState(v any) error { a.has = v.(Balance); return nil }

// TestHandlersThatAreDurable: a process whose only durable kinds are handlers gets the network's store of state.
func TestHandlersThatAreDurable(t *testing.T) {
	actor.RegisterMessage[Deposit]()
	tills := func(string) (actor.Actor, error) { return &till{}, nil }
	durable := handlers.Options{CacheSize: 2, Durable: &actor.Persistence{}}
	for name, c := range map[string]struct {
		h    cluster.ServerHandlerFunc
		want int64
	}{
		"a protoactor actor":      {handlers.NewActorHandlerWithOpts(tills, durable), 2},
		"a definition":            {handlers.NewActorHandlerWithOpts(ledgers.New, durable), 2},
		"one that is not":         {handlers.NewActorHandler(tills), 1},
		"a definition that isn't": {handlers.NewActorHandler(accounts.New), 1},
	} {
		t.Run(name, func(t *testing.T) {
			testkit.CheckLeaks(t)
			on := clstr.Memory()
			var got Balance
			for range 2 {
				svc := open(t, clstr.Options{On: on, Node: cluster.NodeOptions{Kinds: map[string]cluster.ServerHandlerFunc{"it": c.h}}})
				var err error
				if got, err = clstr.Ask[Balance](t.Context(), svc.Kind("it").Key("k"), Deposit{1}); err != nil {
					t.Fatal(err)
				}
				if err := svc.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if got.Amount != c.want {
				t.Errorf("it has %d after a restart, want %d", got.Amount, c.want)
			}
		})
	}
}
