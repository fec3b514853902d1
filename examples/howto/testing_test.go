package howto_test

import (
	"errors"
	"testing"
	"time"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
)

// docs/howto/testing.md

// A plain method: no library is needed to test it.
func TestShelfByItself(t *testing.T) {
	s := &Shelf{left: 5}
	if got, err := s.Take(nil, Take{2}); err != nil || got.Left != 3 {
		t.Errorf("%v, %v", got, err)
	}
}

// One entity, as production hosts it, under virtual time.
func TestShelfAlone(t *testing.T) {
	testkit.Alone(t, shelves.New, "shelf-1", testkit.AloneOptions{}, func(t *testing.T, e *testkit.Entity) {
		if got, err := testkit.Ask[Stock](e, Take{2}); err != nil || got.Left != 3 {
			t.Errorf("%v, %v", got, err)
		}
		e.Crash() // what is only in memory is lost
		if got, err := testkit.Ask[Stock](e, Take{2}); err != nil || got.Left != 3 {
			t.Errorf("%v, %v", got, err)
		}
	})
}

// Live nodes in one process; one of them dies, and another takes its keys over.
func TestShelfOutlivesItsNode(t *testing.T) {
	testkit.CheckLeaks(t)
	c := testkit.NewCluster(t, testkit.ClusterOptions{
		Live:  true,
		Kinds: map[string]cluster.ServerHandlerFunc{"shelf": cluster.NewActorHandler(shelves.New)},
	})
	key := c.KeyOf("node-1")
	c.KillNode("node-1")
	c.Settle() // returns when the others serve its shards
	_, err := c.Client().Kind("shelf").Key(key).Request(t.Context(), Take{9})
	if out, ok := errors.AsType[*OutOfStock](err); !ok || out.Left != 5 {
		t.Errorf("got %v", err)
	}
}

// What callers see when replies are lost.
func TestLostReplies(t *testing.T) {
	faults := testkit.NewFaults(1, testkit.FaultRule{Types: []string{"Charge"}, DropReply: 1})
	c := testkit.NewCluster(t, testkit.ClusterOptions{
		Wrap:  faults.Client,
		Kinds: map[string]cluster.ServerHandlerFunc{"wallet": cluster.NewActorHandler(wallets.New)},
	})
	wallet := c.Client().Kind("wallet").Key("w")
	_, err := wallet.Request(t.Context(), Charge{30}, cluster.WithID("order-7"), cluster.WithTTL(50*time.Millisecond))
	if cluster.OutcomeOf(err) != cluster.MaybeRan {
		t.Errorf("got %v", err)
	}
	faults.SetRules()
	charged, err := cluster.NewRequest[Charge, Charged](wallet).Request(t.Context(), Charge{30}, cluster.WithID("order-7"))
	if err != nil || charged.Balance != 70 { // not 40
		t.Errorf("%v, %v", charged, err)
	}
}
