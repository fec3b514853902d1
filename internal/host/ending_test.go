package host_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/clstr-go/clstr/internal/host"
	"github.com/clstr-go/clstr/internal/turn"
	"github.com/clstr-go/clstr/outcome"
)

// TestShardComesBackAfterItsGroup: a shard that has ended with a group, where a stop hook
// has woken a key in it or not, serves everybody when it comes back. While it ends, it
// serves stop hooks only, and a key that they have woken does not end before theirs.
func TestShardComesBackAfterItsGroup(t *testing.T) {
	for _, asked := range []bool{false, true} {
		w := newWorld(t, host.Options{Factory: func(string) (host.Actor, error) {
			return &entity{handle: func(c *host.Context) { c.Call().Reply([]byte("ok"), nil) }}, nil
		}})
		ask := func(role turn.Role) (*call, error) {
			c := newCall()
			c.stopHook = role
			return c, w.Deliver(7, "key", c)
		}
		g := host.NewEndGroup(false)
		g.Hold() // for a shard whose stop hooks may ask
		w.BeginEnd(7, g)
		if _, err := ask(turn.Key); !errors.Is(err, outcome.ErrDraining) {
			t.Errorf("a shard that ends: %v", err)
		}
		if asked {
			c, err := ask(turn.Ending)
			if err != nil {
				t.Fatal(err)
			}
			if reply, err := c.settled(t); err != nil || reply != "ok" {
				t.Errorf("a stop hook is told %q, %v", reply, err)
			}
		}
		select {
		case <-g.Idle():
			t.Error("idle while it is held")
		default:
		}
		g.Release()
		if err := w.EndShard(context.Background(), 7, false); err != nil {
			t.Fatal(err)
		}
		if n := w.Active(); n != 0 {
			t.Errorf("%d keys live", n)
		}
		c, err := ask(turn.Key)
		if err != nil {
			t.Fatalf("asked %v: a shard that has come back: %v", asked, err)
		}
		if reply, err := c.settled(t); err != nil || reply != "ok" {
			t.Errorf("a shard that has come back answers %q, %v", reply, err)
		}
		w.stop()
	}
}

// lent is a call whose memory may be used again when its turn is over.
type lent struct {
	*call
	let  func() // the turn begins, at the latest when the end of the shard asks for the answer
	over chan struct{}
	last atomic.Bool
}

func (l *lent) Spent() host.Past { return l }
func (l *lent) Ended() host.Call { return newCall() }
func (l *lent) End()             { l.call.End(); close(l.over) }
func (l *lent) EndLast()         { l.last.Store(true); l.End() }

func (l *lent) AfterAnswer(f func()) {
	l.let()
	<-l.over
	l.call.AfterAnswer(f)
}

// TestTheEndOfAShardKeepsACall that a stop hook has sent, and that waits in the mail: the call's turn may come and go
// before the end has asked to hear of its answer. Until then the call must not become another.
func TestTheEndOfAShardKeepsACall(t *testing.T) {
	in, gate := make(chan struct{}), make(chan struct{})
	w := newWorld(t, host.Options{Factory: func(string) (host.Actor, error) {
		return &entity{handle: func(c *host.Context) {
			if c.Message().Type == "block" {
				close(in)
				<-gate
			}
			c.OnTurn().Reply(nil, nil)
		}}, nil
	}})
	w.send("key", "block")
	await(t, in, "the turn")
	l := &lent{call: newCall(), let: func() { close(gate) }, over: make(chan struct{})}
	l.stopHook, l.notify = turn.Stop, true
	if err := w.Deliver(0, "key", l); err != nil {
		t.Fatal(err)
	}
	g := host.NewEndGroup(true)
	w.BeginEnd(0, g)
	if l.last.Load() {
		t.Error("the call may have become another while the end of its shard was about to hear of its answer")
	}
	await(t, g.Idle(), "the end of the keys")
}
