package howto_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/state/memstate"
	"github.com/clstr-go/clstr/testkit"
)

// docs/howto/durable.md

// Cart is stored as JSON: its exported fields are its state.
type Cart struct {
	Items map[string]int
	asked int // not stored: zero when the key is activated
}

type (
	Add struct {
		Item string
		N    int
	}
	HowMany struct{ Item string }
	InCart  struct{ N int }
)

var errTooMany = errors.New("more than 100 of one item")

func (c *Cart) Add(_ *actor.Context, m Add) (InCart, error) {
	c.Items[m.Item] += m.N
	if c.Items[m.Item] > 100 {
		return InCart{}, errTooMany // nothing of this turn is kept
	}
	return InCart{c.Items[m.Item]}, nil // leaves when the state is stored
}

func (c *Cart) Look(_ *actor.Context, m HowMany) (InCart, error) {
	c.asked++
	return InCart{c.Items[m.Item]}, nil
}

var carts = actor.Define("cart", func(string) *Cart { return &Cart{Items: map[string]int{}} },
	actor.OnRequest((*Cart).Add), actor.OnQuery((*Cart).Look),
	actor.Durable(actor.Persistence{}))

// upgrade makes a Cart of version 1 from one of version 0, where Items was a list of names.
func upgrade(_ int, old []byte) ([]byte, error) {
	var v0 struct{ Items []string }
	if err := json.Unmarshal(old, &v0); err != nil {
		return nil, err
	}
	cart := Cart{Items: map[string]int{}}
	for _, item := range v0.Items {
		cart.Items[item]++
	}
	return json.Marshal(cart)
}

// oldCart is what the last release called Cart.
type oldCart struct{ Items []string }

func (c *oldCart) Add(_ *actor.Context, m Add) (InCart, error) {
	c.Items = append(c.Items, m.Item)
	return InCart{len(c.Items)}, nil
}

func TestDurable(t *testing.T) {
	on := clstr.Memory() // keeps what services have stored, as servers do
	before := actor.Define("cart", func(string) *oldCart { return &oldCart{} },
		actor.OnRequest((*oldCart).Add), actor.Durable(actor.Persistence{}))
	after := actor.Define("cart", func(string) *Cart { return &Cart{Items: map[string]int{}} },
		actor.OnRequest((*Cart).Add), actor.OnQuery((*Cart).Look),
		actor.Durable(actor.Persistence{Version: 1, Upgrade: upgrade}))

	svc := openOn(t, on, before)
	for range 2 {
		if _, err := clstr.Ask[InCart](t.Context(), svc.Key(before, "ann"), Add{Item: "pen"}); err != nil {
			t.Fatal(err)
		}
	}
	closed(t, svc)

	svc = openOn(t, on, after)
	cart := svc.Key(after, "ann")
	if _, err := clstr.Ask[InCart](t.Context(), cart, Add{"pen", 99}); cluster.OutcomeOf(err) != cluster.RanAndFailed {
		t.Errorf("got %v", err)
	}
	got, err := clstr.Ask[InCart](t.Context(), cart, HowMany{"pen"})
	if err != nil || got.N != 2 {
		t.Errorf("got %d, %v: the turn that failed has left something, or the state is lost", got.N, err)
	}
	closed(t, svc)
}

// The old and the new definition, one after the other on one store.
func TestUpgrade(t *testing.T) {
	before := actor.Define("cart", func(string) *oldCart { return &oldCart{} },
		actor.OnRequest((*oldCart).Add), actor.Durable(actor.Persistence{}))
	after := actor.Define("cart", func(string) *Cart { return &Cart{} },
		actor.OnQuery((*Cart).Look), actor.Durable(actor.Persistence{Version: 1, Upgrade: upgrade}))
	opts := testkit.AloneOptions{State: memstate.New()} // both find the same states
	testkit.Alone(t, before.New, "ann", opts, func(t *testing.T, e *testkit.Entity) {
		if _, err := testkit.Ask[InCart](e, Add{Item: "pen"}); err != nil {
			t.Error(err)
		}
	})
	testkit.Alone(t, after.New, "ann", opts, func(t *testing.T, e *testkit.Entity) {
		if got, err := testkit.Ask[InCart](e, HowMany{"pen"}); err != nil || got.N != 1 {
			t.Errorf("%v, %v", got, err)
		}
	})
}

func TestDurableInTests(t *testing.T) {
	svc := testkit.Open(t, carts)
	got, err := clstr.Ask[InCart](t.Context(), svc.Key(carts, "bob"), Add{"pen", 3})
	if err != nil || got.N != 3 {
		t.Errorf("got %d, %v", got.N, err)
	}
}

// A node of a cluster whose bucket was made anew takes over the state of the old one.
func ExampleNATS_adopt() {
	on := clstr.NATS("nats://127.0.0.1:4222")
	on.State.Adopt = true
	_ = clstr.Options{Name: "bank", On: on}
}
