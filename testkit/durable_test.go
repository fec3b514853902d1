package testkit_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/handlers"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/memstate"
	"github.com/clstr-go/clstr/testkit"
)

// purse is a durable entity. It counts the turns of its incarnation, which nothing stores.
type purse struct {
	Coins int
	turns int
	ended func() // by OnPassivate
}

type (
	putIn  struct{ N int }
	drop   struct{ N int } // a notification
	coins  struct{}
	inside struct{ Coins, Turns int }
)

func (p *purse) putIn(_ *actor.Context, m putIn) (inside, error) {
	p.Coins += m.N
	return p.coins(nil, coins{})
}

func (p *purse) drop(_ *actor.Context, m drop) error { p.Coins += m.N; return nil }

func (p *purse) coins(*actor.Context, coins) (inside, error) {
	p.turns++
	return inside{p.Coins, p.turns}, nil
}

func (p *purse) end(*actor.Context) error { p.ended(); return nil }

// purses defines them; ended counts stop hooks.
func purses(how actor.Persistence, ended *int) handlers.ActorFactory {
	return actor.Define("purse", func(string) *purse { return &purse{ended: func() { *ended++ }} },
		actor.OnRequest((*purse).putIn), actor.OnNotify((*purse).drop), actor.OnQuery((*purse).coins),
		actor.OnPassivate((*purse).end), actor.Durable(how)).New
}

// protoPurse is the same as a protoactor actor.
type protoPurse struct {
	held  struct{ Coins int }
	turns int
	ended func()
}

func (p *protoPurse) State() any           { return p.held }
func (p *protoPurse) SetState(v any) error { p.held = v.(struct{ Coins int }); return nil }

func (p *protoPurse) Receive(c pactor.Context) {
	switch m := c.Message().(type) {
	case *pactor.Stopping:
		p.ended()
	case *actor.Message:
		switch m.Type {
		case "putIn", "drop":
			var in struct{ N int }
			if err := json.Unmarshal(m.Data, &in); err != nil {
				c.Respond(err)
				return
			}
			p.held.Coins += in.N
		}
		p.turns++
		c.Respond(inside{p.held.Coins, p.turns})
	}
}

func none() state.Store { return nil }

// eachPurse runs a test with both sorts of durable entities.
func eachPurse(t *testing.T, how actor.Persistence, store func() state.Store, f func(t *testing.T, e *testkit.Entity, ended *int)) {
	t.Helper()
	t.Run("typed", func(t *testing.T) {
		var ended int
		testkit.Alone(t, purses(how, &ended), "p-1", testkit.AloneOptions{State: store()}, func(t *testing.T, e *testkit.Entity) { f(t, e, &ended) })
	})
	t.Run("protoactor", func(t *testing.T) {
		var ended int
		opts := testkit.AloneOptions{State: store(), Handler: handlers.Options{Durable: &how}}
		factory := func(string) (actor.Actor, error) { return &protoPurse{ended: func() { ended++ }}, nil }
		testkit.Alone(t, factory, "p-1", opts, func(t *testing.T, e *testkit.Entity) { f(t, e, &ended) })
	})
}

// holds fails unless a new incarnation has so many coins.
func holds(t *testing.T, e *testkit.Entity, count int) {
	t.Helper()
	if e.Active() {
		t.Error("it is active")
	}
	if got, err := testkit.Ask[inside](e, coins{}); err != nil || got != (inside{count, 1}) {
		t.Errorf("it holds %+v, %v; want %d coins after its first turn", got, err, count)
	}
}

// stored fails unless that is stored.
func stored(t *testing.T, e *testkit.Entity, want string) {
	t.Helper()
	r, got := e.Stored(), "nothing"
	if r != nil {
		got = string(r.State)
	}
	if got != want {
		t.Errorf("stored is %s, want %s", got, want)
	}
}

// TestAloneKeepsState: with no option, what a durable entity has said is there after all that ends it.
func TestAloneKeepsState(t *testing.T) {
	eachPurse(t, actor.Persistence{}, none, func(t *testing.T, e *testkit.Entity, ended *int) {
		stored(t, e, "nothing")
		if got, err := testkit.Ask[inside](e, putIn{5}); err != nil || got != (inside{5, 1}) {
			t.Fatalf("%+v, %v", got, err)
		}
		stored(t, e, `{"Coins":5}`)
		if err := e.Notify(drop{2}); err != nil {
			t.Error(err)
		}
		for _, end := range []func(){e.Crash, e.Passivate, e.Crash, func() { e.Drain(); e.Advance(time.Second) }} {
			end()
			holds(t, e, 7)
		}
		if err := e.Restart(); err != nil {
			t.Error(err)
		}
		stored(t, e, `{"Coins":7}`)
		if *ended != 3 { // by Passivate, Drain and Restart
			t.Errorf("%d stop hooks, want 3: a crash runs none", *ended)
		}
	})
}

// TestAloneCrashesInMidCommit: what had not reached the store is lost; what had is there. The caller knows
// neither.
func TestAloneCrashesInMidCommit(t *testing.T) {
	for name, test := range map[string]struct {
		rule  testkit.StateRule
		coins int
		left  string
	}{
		"before": {testkit.StateRule{Delay: 1, DelayMin: time.Minute, DelayMax: time.Minute, First: 1}, 0, "nothing"},
		"after":  {testkit.StateRule{DelayAnswer: 1, DelayMin: time.Minute, DelayMax: time.Minute, First: 1}, 5, `{"Coins":5}`},
	} {
		t.Run(name, func(t *testing.T) {
			store := func() state.Store { return testkit.NewStateFaults(1, test.rule).Store(memstate.New()) }
			eachPurse(t, actor.Persistence{}, store, func(t *testing.T, e *testkit.Entity, ended *int) {
				told := make(chan error, 1)
				go func() { // ends at its deadline
					ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
					defer cancel()
					_, err := cluster.NewRequest[putIn, inside](e.Client()).Request(ctx, putIn{5})
					told <- err
				}()
				e.Wait()
				e.Crash()
				stored(t, e, test.left)
				holds(t, e, test.coins)
				if err := <-told; cluster.OutcomeOf(err) != cluster.MaybeRan || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("the caller is told %v (%v)", err, cluster.OutcomeOf(err))
				}
				e.Advance(10 * time.Minute) // what was on its way has come
				stored(t, e, test.left)
				if *ended != 0 {
					t.Errorf("%d stop hooks", *ended)
				}
				e.Passivate()
				holds(t, e, test.coins)
			})
		})
	}
}

// TestAloneLosesWhatIsBehind: a crash loses what a write-behind entity has not stored yet.
func TestAloneLosesWhatIsBehind(t *testing.T) {
	eachPurse(t, actor.Persistence{Behind: time.Minute}, none, func(t *testing.T, e *testkit.Entity, _ *int) {
		put := func(n int) {
			t.Helper()
			if _, err := testkit.Ask[inside](e, putIn{n}); err != nil {
				t.Fatal(err)
			}
		}
		put(5)
		stored(t, e, "nothing")
		e.Crash()
		e.Advance(time.Hour)
		stored(t, e, "nothing")
		holds(t, e, 0)
		put(3)
		e.Advance(2 * time.Minute)
		stored(t, e, `{"Coins":3}`)
		put(1)
		e.Passivate()
		stored(t, e, `{"Coins":4}`)
	})
}

// TestClustersKeepState: nodes that stop, die and come back share one store, and a killed one stores
// nothing more.
func TestClustersKeepState(t *testing.T) {
	for _, live := range []bool{false, true} {
		t.Run(fmt.Sprint("live ", live), func(t *testing.T) {
			testkit.EachTransport(t, func(t *testing.T, kind testkit.TransportKind) {
				var ended int
				_ = ended
				c := testkit.NewCluster(t, testkit.ClusterOptions{Live: live, Transport: kind, NumShards: 8,
					Kinds: map[string]cluster.ServerHandlerFunc{"purse": handlers.NewActorHandler(quietPurses)}})
				if live {
					c.Settle()
				}
				key := c.KeyOf("node-1")
				ask := func(msg any) (inside, error) {
					out, err := cluster.NewRequest[any, inside](c.Client().Kind("purse").Key(key)).Request(t.Context(), msg)
					if err != nil {
						return inside{}, err
					}
					return *out, nil
				}
				for n := range 3 {
					if got, err := ask(putIn{1}); err != nil || got.Coins != n+1 {
						t.Fatalf("%+v, %v", got, err)
					}
					if r := c.Stored("purse", key); r == nil || string(r.State) != fmt.Sprintf(`{"Coins":%d}`, n+1) {
						t.Errorf("stored %+v", r)
					}
					switch n {
					case 0:
						c.StopNode("node-1")
					case 1:
						c.KillNode("node-1")
					}
					if n < 2 && !live {
						c.StartNode("node-1")
					}
				}
				if c.Stored("purse", "nobody") != nil {
					t.Error("something is stored of nobody")
				}
			})
		})
	}
}

func quietPurses(key string) (actor.Actor, error) { return purses(actor.Persistence{}, new(int))(key) }

// TestOpenKeepsState: a durable entity of a service needs no option in a test, and can be watched.
func TestOpenKeepsState(t *testing.T) {
	define := actor.Define("purse", func(string) *purse { return &purse{ended: func() {}} },
		actor.OnRequest((*purse).putIn), actor.OnRequest((*purse).leave), actor.OnPassivate((*purse).end), actor.Durable(actor.Persistence{}))
	svc := testkit.Open(t, define)
	key := svc.Key(define, "p-1")
	for n := 1; n < 4; n++ {
		if got, err := clstr.Ask[inside](t.Context(), key, putIn{1}); err != nil || got != (inside{n, 1}) {
			t.Errorf("%+v, %v", got, err)
		}
		if _, err := clstr.Ask[inside](t.Context(), key, leave{}); err != nil {
			t.Error(err)
		}
	}
	for change, err := range cluster.Watch[purse](t.Context(), key) {
		if err != nil || change.State.Coins != 3 {
			t.Errorf("%+v, %v", change, err)
		}
		break
	}
}

type leave struct{}

// leave passivates it.
func (p *purse) leave(c *actor.Context, _ leave) (inside, error) {
	c.Passivate()
	return inside{}, nil
}
