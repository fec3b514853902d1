package host_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/internal/host"
	"github.com/clstr-go/clstr/outcome"
)

// leaver is an entity that counts its lives.
type leaver struct {
	made, ended atomic.Int32
	lost        atomic.Int32 // stop hooks whose context had ended
	in, gate    chan struct{}
}

func (l *leaver) factory() func(string) (host.Actor, error) {
	return making(func(string) *entity {
		l.made.Add(1)
		return &entity{
			handle: func(c *host.Context) {
				switch c.Message().Type {
				case "block":
					close(l.in)
					<-l.gate
				case "wait":
					<-l.gate
				case "leave":
					c.Passivate()
				}
				c.Call().Reply([]byte("done"), nil)
			},
			passivate: func(c *host.Context) {
				if c.Err() != nil {
					l.lost.Add(1)
				}
				l.ended.Add(1) // last: tests wait for it
			},
		}
	})
}

func (w *world) endShard(id uint32, lost bool) {
	w.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := w.EndShard(ctx, id, lost); err != nil {
		w.Errorf("EndShard: %v", err)
	}
}

// TestEndShard: the shard's keys end with their hooks, others live on, and it may
// come back.
func TestEndShard(t *testing.T) {
	const keys, rounds = 20, 3
	l := &leaver{}
	w := newWorld(t, host.Options{CacheSize: -1, Factory: l.factory()})
	w.use(1, "other")
	before := w.processes()
	for round := range rounds {
		for i := range keys {
			w.want(strconv.Itoa(i), "go", "done")
		}
		w.endShard(0, false)
		if made, ended := l.made.Load(), l.ended.Load(); int(ended) != keys*(round+1) || made != ended+1 || w.Active() != 1 {
			t.Fatalf("round %d: %d made, %d ended, %d active", round, made, ended, w.Active())
		}
		eventually(t, "nothing is left of the shard", func() bool { return w.processes() == before })
	}
	w.endShard(0, false) // is not there
	w.endShard(7, false)
	if l.lost.Load() != 0 {
		t.Errorf("%d stop hooks got a context that had ended", l.lost.Load())
	}
}

// TestEndShardThatIsLost: stop hooks, which would write to a store, do not run.
func TestEndShardThatIsLost(t *testing.T) {
	l := &leaver{}
	w := newWorld(t, host.Options{Factory: l.factory()})
	w.want("k", "go", "done")
	w.endShard(0, true)
	if n := l.ended.Load(); n != 0 {
		t.Errorf("%d stop hooks of a shard that is lost have run", n)
	}
	w.want("k", "go", "done")
	w.endShard(0, false)
	if l.ended.Load() != 1 || l.lost.Load() != 0 {
		t.Errorf("after it has come back: %d hooks, %d with a context that had ended", l.ended.Load(), l.lost.Load())
	}
}

// TestLostProtoactorActorIsNotAskedToSave: it is told that it has stopped, to let go of
// what it holds, and not before that it stops, on which it would save.
func TestLostProtoactorActorIsNotAskedToSave(t *testing.T) {
	for _, lost := range []bool{false, true} {
		told := make(chan string, 2)
		w := newWorld(t, host.Options{Factory: raw(func(ctx pactor.Context) {
			switch ctx.Message().(type) {
			case *pactor.Stopping:
				told <- "stopping"
			case *pactor.Stopped:
				told <- "stopped"
			case *host.Message:
				ctx.Respond(nil)
			}
		})})
		w.want("k", "go", "")
		w.endShard(0, lost)
		want := []string{"stopping", "stopped"}
		if lost {
			want = want[1:]
		}
		close(told)
		if got := slices.Collect(receive(told)); !slices.Equal(got, want) {
			t.Errorf("lost %v: told %q, want %q", lost, got, want)
		}
	}
}

func receive(from <-chan string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for s := range from {
			if !yield(s) {
				return
			}
		}
	}
}

// TestEndShardWhileATurnRuns: the wait is bounded, and nothing new is made beside
// what runs.
func TestEndShardWhileATurnRuns(t *testing.T) {
	l := &leaver{in: make(chan struct{}), gate: make(chan struct{})}
	w := newWorld(t, host.Options{Factory: l.factory()})
	running := w.send("busy", "block")
	await(t, l.in, "the turn")
	over, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- w.EndShard(over, 0, false) }() // ends with over
	for _, key := range []string{"busy", "new"} {
		eventually(t, "the shard takes nothing", func() bool {
			c := newCall()
			err := w.Deliver(0, key, c)
			if err == nil {
				_, err = c.wait(t)
			}
			return errors.Is(err, outcome.ErrDraining)
		})
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), `key "busy"`) {
		t.Errorf("EndShard while a turn runs: %v", err)
	}
	w.refusedAsStuck("busy")
	w.want("new", "go", "done")
	close(l.gate)
	if got, err := running.settled(t); got != "done" || err != nil {
		t.Errorf("the running turn: %q, %v", got, err)
	}
	eventually(t, "the key is served again", func() bool {
		c := newCall()
		if w.Deliver(0, "busy", c) != nil {
			return false
		}
		_, err := c.settled(t)
		return err == nil
	})
	w.endShard(0, false)
	w.want("new", "go", "done")
}

// TestLapsedShard: where another may own the shard, no periodic work runs until the
// lease is back.
func TestLapsedShard(t *testing.T) {
	var lapsed atomic.Bool
	b := newBeat()
	w := newWorld(t, host.Options{Factory: b.define(actor.Every(time.Millisecond, (*beat).tick)).New, Lapsed: func(uint32) bool { return lapsed.Load() }})
	if _, err := w.request("k", "Go").settled(t); err != nil {
		t.Fatal(err)
	}
	await(t, b.ticked, "a tick")
	lapsed.Store(true)
	if _, err := w.request("k", "Go").settled(t); err != nil { // behind the tick that may have run
		t.Fatal(err)
	}
	for len(b.ticked) > 0 {
		<-b.ticked
	}
	pause := time.NewTimer(20 * time.Millisecond)
	defer pause.Stop()
	select {
	case <-b.ticked:
		t.Error("periodic work runs although another may own the shard")
	case <-pause.C:
	}
	lapsed.Store(false)
	await(t, b.ticked, "a tick after the lease is back")
}

// TestStopHookOfALapsedShard: it does not run.
func TestStopHookOfALapsedShard(t *testing.T) {
	var lapsed atomic.Bool
	l := &leaver{}
	w := newWorld(t, host.Options{Factory: l.factory(), Lapsed: func(uint32) bool { return lapsed.Load() }})
	w.want("a", "leave", "done")
	eventually(t, "a has gone", func() bool { return l.ended.Load() == 1 })
	w.want("b", "go", "done")
	lapsed.Store(true)
	w.want("b", "leave", "done")
	eventually(t, "b has gone", func() bool { return w.Active() == 0 })
	w.stop()
	if n := l.ended.Load(); n != 1 {
		t.Errorf("%d stop hooks have run, want 1", n)
	}
}
