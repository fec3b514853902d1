package host_test

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync/atomic"
	"testing"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/internal/host"
	"github.com/clstr-go/clstr/outcome"
)

var errBroken = errors.New("broken")

func init() { outcome.RegisterError("host_test.broken", errBroken) }

// TestActivationFailure fails the first incarnation in each way that there is.
func TestActivationFailure(t *testing.T) {
	fails := map[string]func() (host.Actor, error){
		"factory error":    func() (host.Actor, error) { return nil, errBroken },
		"factory panic":    func() (host.Actor, error) { panic("factory") },
		"factory Goexit":   func() (host.Actor, error) { runtime.Goexit(); return nil, nil },
		"factory nil":      func() (host.Actor, error) { return nil, nil },
		"OnActivate error": func() (host.Actor, error) { return failing(func() error { return errBroken }), nil },
		"OnActivate panic": func() (host.Actor, error) { return failing(func() error { panic("activate") }), nil },
		"error that exits": func() (host.Actor, error) { return nil, exiting{} },
		"OnActivate exit":  func() (host.Actor, error) { return failing(func() error { runtime.Goexit(); return nil }), nil },
	}
	for name, fail := range fails {
		t.Run(name, func(t *testing.T) {
			var made, stopped atomic.Int32
			entered, gate := make(chan struct{}, 1), make(chan struct{})
			w := newWorld(t, host.Options{Factory: func(string) (host.Actor, error) {
				if made.Add(1) == 1 {
					entered <- struct{}{}
					<-gate
					return fail()
				}
				return &entity{passivate: func(*host.Context) { stopped.Add(1) }}, nil
			}})
			calls := []*call{w.send("k", "first")}
			await(t, entered, "the factory")
			calls = append(calls, w.send("k", "second"), w.send("k", "third"))
			close(gate)
			for _, c := range calls {
				_, err := c.wait(t)
				if !errors.Is(err, outcome.ErrActivationFailed) {
					t.Errorf("a caller that waits got %v, want ErrActivation", err)
				}
				if errors.Is(err, errBroken) != (name == "factory error" || name == "OnActivate error") {
					t.Errorf("the cause is wrong: %v", err)
				}
				c.check(t)
				if c.starts != 0 {
					t.Error("a message that found no actor was started")
				}
			}
			w.wantLater("k", "fourth", "")
			if n := made.Load(); n != 2 {
				t.Errorf("%d incarnations, want 2", n)
			}
			w.stop()
			if n := stopped.Load(); n != 1 {
				t.Errorf("%d stop hooks ran, want 1", n)
			}
		})
	}
}

// exiting is an error whose text ends the goroutine.
type exiting struct{}

func (exiting) Error() string { runtime.Goexit(); return "" }

func failing(f func() error) host.Actor {
	return &entity{
		activate:  func(*host.Context) error { return f() },
		handle:    func(*host.Context) { panic("handled by an entity that was not activated") },
		passivate: func(*host.Context) { panic("passivated without having been activated") },
	}
}

// TestFailedKeysAreForgotten: keys that never come to life must not stay.
func TestFailedKeysAreForgotten(t *testing.T) {
	w := newWorld(t, host.Options{Factory: func(string) (host.Actor, error) { return nil, errBroken }})
	_, _ = w.send("k", "").wait(t)
	eventually(t, "no active key", func() bool { return w.Active() == 0 })
	before := w.processes()
	for i := range 2000 {
		if _, err := w.send(fmt.Sprint(i), "").wait(t); !errors.Is(err, errBroken) {
			t.Fatal(err)
		}
	}
	eventually(t, "no active key", func() bool { return w.Active() == 0 })
	eventually(t, "no process left", func() bool { return w.processes() <= before })
}

// TestFailingActivationWithMailByProcessID: mail that nobody waits for must not
// make a key that cannot be activated try for ever.
func TestFailingActivationWithMailByProcessID(t *testing.T) {
	var tries atomic.Int32
	stopping, gate := make(chan struct{}), make(chan struct{})
	w := newWorld(t, host.Options{Factory: func(string) (host.Actor, error) {
		if tries.Add(1) > 1 {
			return nil, errBroken
		}
		return &entity{
			handle: func(c *host.Context) {
				c.Passivate()
				c.Call().Reply([]byte(c.Self().Id), nil)
			},
			passivate: func(*host.Context) { close(stopping); <-gate },
		}, nil
	}})
	id, err := w.ask("k", "go")
	if err != nil {
		t.Fatal(err)
	}
	await(t, stopping, "the stop hook")
	proto := w.system.Proto()
	proto.Root.Send(proto.NewLocalPID(id), "mail")
	asked := proto.Root.RequestFuture(proto.NewLocalPID(id), "a question", patience)
	close(gate)
	eventually(t, "the key is given up", func() bool { return w.Active() == 0 && tries.Load() == 2 })
	if _, err := asked.Result(); !errors.Is(err, pactor.ErrDeadLetter) {
		t.Errorf("who asked by process id got %v", err)
	}
	w.stop()
	if n := tries.Load(); n != 2 {
		t.Errorf("%d activations, want 2: one, and one try for the mail", n)
	}
}

// TestAbandonedCallsActivateNothing: a key that only such wait for whose senders
// have gone is not made.
func TestAbandonedCallsActivateNothing(t *testing.T) {
	var made atomic.Int32
	in, gate := make(chan struct{}), make(chan struct{})
	o := &counter{}
	w := newWorldOn(t, host.Options{Observer: o, Factory: making(func(key string) *entity {
		if key != "busy" {
			made.Add(1)
		}
		return &entity{handle: func(c *host.Context) {
			if c.Message().Type == "block" {
				in <- struct{}{}
				<-gate
			}
			c.Call().Reply(nil, nil)
		}}
	})}, slog.New(slog.DiscardHandler), 1)
	blocks := func() *call { c := w.send("busy", "block"); await(t, in, "the only turn"); return c }

	c := blocks()
	for range 3 {
		w.send("k", "go").cancel()
	}
	gate <- struct{}{}
	if _, err := c.settled(t); err != nil {
		t.Error(err)
	}
	eventually(t, "the key is not there", func() bool { return w.Active() == 1 })
	if a, f, p, _, _ := o.numbers(); made.Load() != 0 || a != 1 || f != 0 || p != 0 {
		t.Errorf("%d made; the observer was told of %d activations, %d failures, %d passivations", made.Load(), a, f, p)
	}

	c = blocks()
	w.send("k", "go").cancel()
	live, behind := w.send("k", "go"), w.send("k", "go")
	behind.cancel()
	gate <- struct{}{}
	for _, c := range []*call{c, live} {
		if _, err := c.settled(t); err != nil {
			t.Error(err)
		}
	}
	if n := made.Load(); n != 1 || behind.starts != 0 {
		t.Errorf("%d made, %d starts of a message whose sender has gone", n, behind.starts)
	}
}

// TestAnErrorThatAnotherKeyHasHad is the cause of an activation's failure, and not the failure itself: the bad record
// is the other key's.
func TestAnErrorThatAnotherKeyHasHad(t *testing.T) {
	w := newWorld(t, host.Options{Factory: func(string) (host.Actor, error) {
		return nil, outcome.Errorf(outcome.ErrBadState, "record of another key")
	}})
	_, err := w.send("k", "go").wait(t)
	if outcome.CodeOf(err) != outcome.CodeOf(outcome.ErrActivationFailed) || !errors.Is(err, outcome.ErrBadState) {
		t.Errorf("got %v (%s)", err, outcome.CodeOf(err))
	}
}
