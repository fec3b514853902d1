package host_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/internal/host"
)

// TestPassivateAtTheEndOfAShare: a key that asks to be passivated with the last
// message of its share of the pool is, and not one message later.
func TestPassivateAtTheEndOfAShare(t *testing.T) {
	const messages = 300 // more than a share
	for leaver := 250; leaver <= 260; leaver++ {
		gate := make(chan struct{})
		made := 0 // on the key's turn
		w := newWorld(t, host.Options{Factory: making(func(string) *entity {
			made++
			return &entity{
				activate: func(*host.Context) error { <-gate; return nil },
				handle: func(c *host.Context) {
					if c.Message().Type == "leave" {
						c.Passivate()
					}
					c.Call().Reply(fmt.Append(nil, made), nil)
				},
			}
		})})
		var calls []*call
		for i := range messages {
			typ := "stay"
			if i == leaver {
				typ = "leave"
			}
			calls = append(calls, w.send("k", typ))
		}
		close(gate)
		for i, c := range calls {
			want := "1"
			if i > leaver {
				want = "2"
			}
			if got, err := c.settled(t); err != nil || got != want {
				t.Fatalf("message %d after a leave at %d: handled by incarnation %s, %v, want %s", i, leaver, got, err, want)
			}
		}
	}
}

// stopsAndFails is an actor that has told itself to stop when it fails, and
// whose end takes as long as its child's.
type stopsAndFails struct {
	made *atomic.Int32
	gate chan struct{}
}

func (s stopsAndFails) Receive(ctx pactor.Context) {
	switch m := ctx.Message().(type) {
	case *pactor.Started:
		s.made.Add(1)
		ctx.Spawn(pactor.PropsFromFunc(func(child pactor.Context) {
			if _, ok := child.Message().(*pactor.Stopping); ok {
				<-s.gate
			}
		}))
	case *host.Message:
		if m.Type == "fail" {
			ctx.Stop(ctx.Self())
			panic("boom")
		}
		ctx.Respond(fmt.Append(nil, s.made.Load()))
	}
}

// TestAStoppingActorIsNotRestarted: the supervisor hears of a failure when the
// actor's end has begun, and the restart that it orders must not undo that.
func TestAStoppingActorIsNotRestarted(t *testing.T) {
	var made atomic.Int32
	gate := make(chan struct{})
	w := newWorld(t, host.Options{Factory: func(key string) (host.Actor, error) {
		if key == "k" {
			return stopsAndFails{&made, gate}, nil
		}
		return &entity{}, nil
	}})
	w.want("k", "go", "1")
	if _, err := w.ask("k", "fail"); err == nil {
		t.Error("no error of the failure")
	}
	w.want("neighbour", "go", "") // the supervisor has come as far as the failure
	close(gate)
	w.want("k", "go", "2")
	w.stop()
	if n := made.Load(); n != 2 {
		t.Errorf("%d incarnations, want 2", n)
	}
}

// TestATickOfAFailedEntityIsDropped: it was due while the entity failed, and is
// not the next one's.
func TestATickOfAFailedEntityIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type pulse struct{ failed bool }
		late := false // written on the key's turns
		fail := func(p *pulse, _ *actor.Context, _ Go) (bool, error) {
			<-time.After(15 * time.Second) // a tick is due
			p.failed = true
			panic("boom")
		}
		read := func(*pulse, *actor.Context, Leave) (bool, error) { return late, nil }
		tick := func(p *pulse, _ *actor.Context) error { late = late || p.failed; return nil }
		def := actor.Define("pulse", func(string) *pulse { return &pulse{} },
			actor.OnRequest(fail), actor.OnRequest(read), actor.Every(10*time.Second, tick))
		w := newWorld(t, host.Options{Factory: def.New})
		if _, err := w.request("k", "Go").settled(t); err == nil {
			t.Error("no error of the failure")
		}
		if got, err := w.request("k", "Leave").settled(t); err != nil || got != "false" {
			t.Errorf("periodic work of the failed entity: %v, %v", got, err)
		}
	})
}
