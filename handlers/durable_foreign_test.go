package handlers_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/handlers"
	"github.com/clstr-go/clstr/internal/hosting"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/state"
)

// inHall runs a test in a bubble, with typed accounts that have further options.
func inHall(t *testing.T, name string, p actor.Persistence, test func(*bank), more ...actor.Option) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			test(newBank(t, handlers.NewActorHandlerWithOpts(accounts(p, more...).New, handlers.Options{IdleAfter: time.Second}), hosting.Setup{}))
		})
	})
}

// TestForeignIDs in a record, or beside it, stop that key only: they could not be told from others.
func TestForeignIDs(t *testing.T) {
	for name, c := range map[string]state.Command{
		"a short ID": {ID: []byte{1}, Sum: make([]byte, 8)}, "a short sum": {ID: make([]byte, 16), Sum: []byte{1}}, "nothing": {},
	} {
		inHall(t, name, actor.Persistence{}, func(b *bank) {
			in := state.Record{Number: 1, Type: "json", State: []byte(`{"Balance":7}`)}
			beside := in
			in.Commands, beside.Spilled = []state.Command{c}, time.Now().Add(time.Hour)
			b.records["in"], b.records["beside"] = in, beside
			b.beside["beside"] = []state.Entry{{Place: state.Spilled, Kind: "account", Key: "beside", Commands: []state.Command{c}}}
			b.fails("in the record", b.sendID("id", "in", deposit{1}), outcome.ErrBadState, outcome.NotStarted)
			b.fails("beside it", b.sendID("id", "beside", deposit{1}), outcome.ErrBadState, outcome.NotStarted)
			b.want("beside it, without an ID", b.send("beside", deposit{1}), "8")
			for i := range 70 {
				b.want("another key", b.sendID(fmt.Sprint(i), "other", deposit{1}), fmt.Sprint(i+1))
			}
		})
	}
}

// TestLowerMaxState than that of the program that has stored a state: the key is served, and the state
// may shrink or go.
func TestLowerMaxState(t *testing.T) {
	inHall(t, "", actor.Persistence{MaxState: 50}, func(b *bank) {
		for _, key := range []string{"k", "l"} {
			b.records[key] = state.Record{Number: 1, Type: "json", State: []byte(`{"Balance":7,"Any":"` + strings.Repeat("x", 100) + `"}`)}
		}
		b.want("a read", b.send("k", look{}), "7")
		b.fails("a change that does not shrink it", b.send("k", deposit{1}), outcome.ErrNotStored, outcome.RanAndFailed)
		b.want("a read with an ID", b.sendID("id", "k", look{}), "7")
		b.want("a change that shrinks it", b.send("k", add{1}), "8")
		b.want("a change afterwards", b.send("k", deposit{1}), "9")
		b.want("deletion", b.send("l", forget{1}), "8")
		b.balance("l", 0)
	}, actor.OnRequest(func(a *account, _ *actor.Context, m add) (int, error) { a.Any = nil; return a.add(m.N) }))
}

// fickle has a state of this type or that.
type fickle struct{ state any }

func (f *fickle) State() any           { return f.state }
func (f *fickle) SetState(v any) error { f.state = v; return nil }

// TestStateOfAnotherType is refused on the turn: the next incarnation could not read it.
func TestStateOfAnotherType(t *testing.T) {
	for _, other := range []any{nil, map[string]int{"Balance": 1}, &balance{}} {
		synctest.Test(t, func(t *testing.T) {
			def := actor.Define("account", func(string) *fickle { return &fickle{balance{Balance: 5}} }, actor.Durable(actor.Persistence{}),
				actor.OnRequest(func(f *fickle, _ *actor.Context, m add) (int, error) { f.state = other; return 0, nil }),
				actor.OnRequest(func(f *fickle, _ *actor.Context, _ look) (int, error) { return f.state.(balance).Balance, nil }))
			b := newBank(t, handlers.NewActorHandler(def.New), hosting.Setup{})
			b.fails(fmt.Sprintf("%T", other), b.send("k", add{}), outcome.ErrNotStored, outcome.RanAndFailed)
			b.balance("k", 5)
		})
	}
}

// TestSaveInOnActivate that the store refuses ends the activation, also if its error is ignored.
func TestSaveInOnActivate(t *testing.T) {
	for _, ignored := range []bool{false, true} {
		made := 0
		inHall(t, fmt.Sprint(ignored), actor.Persistence{}, func(b *bank) {
			b.refuse = state.ErrFull
			b.fails("a message", b.send("k", look{}), outcome.ErrActivationFailed, outcome.NotStarted)
			b.pass(10 * time.Second)
			if made != 1 {
				b.Errorf("%d activations for one message", made)
			}
			b.set(func(s *shelf) { s.refuse = nil })
			b.balance("k", 1)
		}, actor.OnActivate(func(a *account, c *actor.Context) error {
			made++
			a.Balance++
			if err := c.Save(); !ignored {
				return err
			}
			return nil
		}))
	}
}

// TestDeleteInOnActivate: the message that has activated the key finds a new entity, also if each
// activation deletes.
func TestDeleteInOnActivate(t *testing.T) {
	for _, saves := range []bool{false, true} {
		made := 0
		inHall(t, fmt.Sprint("saves first: ", saves), actor.Persistence{}, func(b *bank) {
			b.records["k"] = state.Record{Number: 1, Type: "json", State: []byte(`{"Balance":7}`)}
			b.hold = true
			w := b.send("k", look{})
			for b.release() > 0 {
			}
			b.want("the message", w, "0")
			b.set(func(s *shelf) { s.hold = false })
			if b.stored("k") != -1 || made != 2 {
				b.Errorf("%d is stored, after %d activations", b.stored("k"), made)
			}
			b.want("a change", b.send("k", deposit{1}), "1")
			b.want("a key without a state", b.send("l", deposit{1}), "1")
		}, actor.OnActivate(func(a *account, c *actor.Context) error {
			if made++; saves && a.Balance > 0 {
				a.Balance++
				if err := c.Save(); err != nil {
					return err
				}
			}
			return c.Delete()
		}))
	}
}

// slowly tells a test that it is being encoded, and waits for the test to go on.
type slowly struct{ begun, goOn chan struct{} }

func (s slowly) MarshalJSON() ([]byte, error) {
	close(s.begun)
	<-s.goOn
	return []byte("1"), nil
}

// TestSaveBesideTheTurn by a goroutine that outlives the turn: it changes nothing any more.
func TestSaveBesideTheTurn(t *testing.T) {
	var s slowly // made in the test's bubble
	saved := make(chan error, 1)
	inHall(t, "", actor.Persistence{}, func(b *bank) {
		s = slowly{make(chan struct{}), make(chan struct{})}
		b.want("the turn", b.send("k", add{1}), "1")
		close(s.goOn)
		synctest.Wait()
		if err := <-saved; err == nil {
			b.Error("a turn that has ended has saved")
		}
		b.balance("k", 1)
	}, actor.OnRequest(func(a *account, c *actor.Context, m add) (int, error) {
		a.Any = s
		go func() { saved <- c.Save() }() // ends when the test lets it
		<-s.begun
		a.Any = nil
		return a.add(m.N)
	}))
}

// TestLargestNumber in a record that something else has written stops nothing: numbers begin anew.
func TestLargestNumber(t *testing.T) {
	inHall(t, "", actor.Persistence{}, func(b *bank) {
		b.records["k"] = state.Record{Number: math.MaxUint64, Type: "json", State: []byte(`{"Balance":7}`)}
		for i := range 3 {
			if b.want("a change", b.send("k", deposit{1}), fmt.Sprint(8+i)); b.records["k"].Number != uint64(i+1) {
				b.Errorf("number %d after change %d", b.records["k"].Number, i+1)
			}
		}
		b.pass(time.Hour)
		b.balance("k", 10)
	})
}

// TestStateThatIsNil would be read as a state again: it is refused, and a key that has none yet may begin
// with it.
func TestStateThatIsNil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		def := actor.Define("account", func(string) *fickle { return &fickle{(*balance)(nil)} }, actor.Durable(actor.Persistence{}),
			actor.OnRequest(func(f *fickle, _ *actor.Context, m deposit) (int, error) {
				f.state = &balance{Balance: m.N}
				return m.N, nil
			}),
			actor.OnRequest(func(f *fickle, _ *actor.Context, _ add) (int, error) { f.state = (*balance)(nil); return 0, nil }),
			actor.OnRequest(func(f *fickle, _ *actor.Context, _ look) (int, error) {
				if b := f.state.(*balance); b != nil {
					return b.Balance, nil
				}
				return -1, nil
			}))
		b := newBank(t, handlers.NewActorHandler(def.New), hosting.Setup{})
		b.balance("k", -1)
		b.want("nil, as before", b.send("k", add{}), "0")
		b.want("a state", b.send("k", deposit{5}), "5")
		w := b.send("k", add{})
		b.fails("nil in place of a state", w, outcome.ErrNotStored, outcome.RanAndFailed)
		if !strings.Contains(fmt.Sprint(w.err), "c.Delete") {
			t.Error(w.err)
		}
		if b.balance("k", 5); b.stored("k") != 5 {
			t.Errorf("%d is stored", b.stored("k"))
		}
	})
}

// TestFactoryThatForgetsDurable makes a key's next incarnation without its state: the key does not begin.
func TestFactoryThatForgetsDurable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plain := actor.Define("account", func(string) *account { return &account{} },
			actor.OnRequest((*account).deposit), actor.OnRequest((*account).look))
		made := 0
		b := newBank(t, handlers.NewActorHandler(func(key string) (actor.Actor, error) {
			if made++; made == 2 {
				return plain.New(key)
			}
			return accounts(actor.Persistence{}).New(key)
		}), hosting.Setup{})
		b.want("a change", b.send("k", deposit{1}), "1")
		b.fails("a panic", b.send("k", burst{1}), outcome.ErrPanicked, outcome.MaybeRan)
		w := b.send("k", deposit{1})
		b.fails("a change without a state", w, outcome.ErrActivationFailed, outcome.NotStarted)
		if !strings.Contains(w.err.Error(), "is not durable, and its key is") {
			b.Errorf("got %v", w.err)
		}
		b.pass(10 * time.Second)
		b.want("a change of the next incarnation", b.send("k", deposit{1}), "2")
	})
}
