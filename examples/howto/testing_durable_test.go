package howto_test

import (
	"testing"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/state/memstate"
	"github.com/clstr-go/clstr/testkit"
)

// docs/howto/testing.md

// Till is a durable entity: its exported fields are stored.
type Till struct{ Cents int }

type Receive struct{ Cents int }

func (u *Till) Receive(_ *actor.Context, m Receive) (Till, error) {
	u.Cents += m.Cents
	return *u, nil
}

func (u *Till) Tip(_ *actor.Context, m Tip) error {
	u.Cents += m.Cents
	return nil
}

type Tip struct{ Cents int }

var tills = actor.Define("till", func(string) *Till { return &Till{} },
	actor.OnRequest((*Till).Receive), actor.OnNotify((*Till).Tip), actor.Durable(actor.Persistence{}))

// What a durable entity has answered is stored.
func TestTillKeepsItsMoney(t *testing.T) {
	testkit.Alone(t, tills.New, "till-1", testkit.AloneOptions{}, func(t *testing.T, e *testkit.Entity) {
		if _, err := testkit.Ask[Till](e, Receive{250}); err != nil {
			t.Error(err)
		}
		e.Crash() // its node dies, and another takes over
		if got, err := testkit.Ask[Till](e, Receive{50}); err != nil || got.Cents != 300 {
			t.Errorf("%v, %v", got, err)
		}
		if got := string(e.Stored().State); got != `{"Cents":300}` {
			t.Errorf("stored is %s", got)
		}
	})
}

// What is on its way to the store when the node dies is lost, and nobody was told that it is there.
func TestTillDiesBeforeItHasStored(t *testing.T) {
	faults := testkit.NewStateFaults(1, testkit.StateRule{Delay: 1, DelayMin: time.Second, DelayMax: time.Second, First: 1})
	testkit.Alone(t, tills.New, "till-1", testkit.AloneOptions{State: faults.Store(memstate.New())}, func(t *testing.T, e *testkit.Entity) {
		if err := e.Notify(Tip{20}); err != nil { // accepted, and not yet stored
			t.Error(err)
		}
		e.Crash()
		if got, err := testkit.Ask[Till](e, Receive{100}); err != nil || got.Cents != 100 {
			t.Errorf("%v, %v", got, err)
		}
	})
}

// The node dies while a command is being stored, before or after the store has it. The caller is told
// that it may have run, and sends it again.
func TestTillDiesInMidCommit(t *testing.T) {
	const second = time.Second
	for name, rule := range map[string]testkit.StateRule{
		"not stored": {Delay: 1, DelayMin: second, DelayMax: second, First: 1},
		"stored":     {DelayAnswer: 1, DelayMin: second, DelayMax: second, First: 1},
	} {
		t.Run(name, func(t *testing.T) {
			faults := testkit.NewStateFaults(1, rule)
			testkit.Alone(t, tills.New, "till-1", testkit.AloneOptions{State: faults.Store(memstate.New())}, func(t *testing.T, e *testkit.Entity) {
				if err := e.Activate(); err != nil {
					t.Error(err)
				}
				told := make(chan error)
				go func() { // ends with the call's deadline
					_, err := testkit.Ask[Till](e, Receive{100}, cluster.WithID("sale-7"))
					told <- err
				}()
				e.Wait() // the change is on its way
				if (e.Stored() != nil) != (name == "stored") {
					t.Errorf("%s, and the store has %v", name, e.Stored())
				}
				e.Crash()
				if err := <-told; cluster.OutcomeOf(err) != cluster.MaybeRan {
					t.Errorf("got %v", err)
				}
				if got, err := testkit.Ask[Till](e, Receive{100}, cluster.WithID("sale-7")); err != nil || got.Cents != 100 {
					t.Errorf("%v, %v", got, err)
				}
			})
		})
	}
}
