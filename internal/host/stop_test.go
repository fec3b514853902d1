package host_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/clstr-go/clstr/internal/host"
	"github.com/clstr-go/clstr/outcome"
)

func TestStop(t *testing.T) {
	const idle = 20
	in, gate := make(chan struct{}), make(chan struct{})
	var stopped, handled atomic.Int32
	w := newWorld(t, host.Options{Factory: making(func(string) *entity {
		return &entity{
			handle: func(c *host.Context) {
				handled.Add(1)
				if c.Message().Type == "block" {
					close(in)
					<-gate
				}
				c.Call().Reply([]byte("done"), nil)
			},
			passivate: func(c *host.Context) {
				if c.Err() != nil {
					t.Error("a stop hook's context has ended already")
				}
				stopped.Add(1)
			},
		}
	})})
	for i := range idle {
		w.want(strconv.Itoa(i), "go", "done")
	}
	running := w.send("busy", "block")
	await(t, in, "the turn")
	waiting := w.send("busy", "go")

	over, cancel := context.WithCancel(context.Background())
	cancel()
	if err := w.Stop(over); !errors.Is(err, context.Canceled) {
		t.Errorf("Stop while a turn runs: %v, want the context's error", err)
	}
	if _, err := waiting.wait(t); !errors.Is(err, outcome.ErrDraining) {
		t.Errorf("what waits got %v, want ErrStopping", err)
	}
	for _, key := range []string{"busy", "new"} {
		for _, shard := range []uint32{0, 1} {
			if err := w.Deliver(shard, key, newCall()); !errors.Is(err, outcome.ErrDraining) {
				t.Errorf("Deliver after Stop: %v", err)
			}
		}
	}
	close(gate)
	if got, err := running.settled(t); got != "done" || err != nil {
		t.Errorf("the running turn: %q, %v", got, err)
	}
	w.stop()
	w.stop()
	if s, h := stopped.Load(), handled.Load(); s != idle+1 || h != idle+1 || w.Active() != 0 {
		t.Errorf("%d stop hooks and %d messages of %d, %d active", s, h, idle+1, w.Active())
	}
	running.check(t)
	waiting.check(t)
}

// TestStopBeforeSpawn holds up a shard's supervisor, so that it is told to stop
// before it has made the keys that wait for it.
func TestStopBeforeSpawn(t *testing.T) {
	held, gate, both := make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	o := &holding{held: held, gate: gate}
	w := newWorld(t, host.Options{CacheSize: 1, Observer: o, Factory: making(func(string) *entity {
		return &entity{handle: func(c *host.Context) {
			<-both // the second message waits behind the first
			c.Passivate()
			c.Call().Reply(nil, nil)
		}}
	})})
	o.hold.Store(true)
	again := w.send("first", "go")
	second := w.send("first", "go") // its incarnation is counted on the supervisor's turn
	close(both)
	await(t, held, "the supervisor")
	var calls []*call
	for i := range 10 {
		calls = append(calls, w.send(strconv.Itoa(i), "go"))
	}
	over, cancel := context.WithCancel(context.Background())
	cancel()
	if err := w.Stop(over); err == nil {
		t.Error("Stop did not wait for the supervisor")
	}
	close(gate)
	for _, c := range calls {
		if _, err := c.wait(t); !errors.Is(err, outcome.ErrDraining) {
			t.Errorf("got %v, want ErrStopping", err)
		}
		c.check(t)
	}
	_, _ = again.wait(t)
	_, _ = second.wait(t)
	w.stop()
	if n := w.Active(); n != 0 {
		t.Errorf("%d active", n)
	}
}

// holding is an observer that blocks, against its contract, the goroutine that
// counts a key that has come back.
type holding struct {
	counter
	held, gate chan struct{}
	hold       atomic.Bool
	ups        atomic.Int32
}

func (o *holding) ActiveKeys(kind string, delta int) {
	o.counter.ActiveKeys(kind, delta)
	if delta > 0 && o.hold.Load() && o.ups.Add(1) == 2 {
		o.held <- struct{}{}
		<-o.gate
	}
}

// TestStopRacesWithEverything: what is delivered, evicted and passivated while
// the host stops gets its one answer, and nothing stays.
func TestStopRacesWithEverything(t *testing.T) {
	goroutines := runtime.NumGoroutine()
	for round := range 20 {
		x := &chaos{TB: t}
		o := &counter{}
		w := newWorld(t, host.Options{CacheSize: 3, Factory: x.factory, Observer: o})
		var wg sync.WaitGroup
		started := make(chan struct{}, 4)
		for sender := range 4 {
			wg.Go(func() {
				var calls []*call
				refused := false
				for n := 1; !refused; n++ {
					c := newCall()
					c.msg.Type = fmt.Sprint(sender, " ", n)
					err := w.Deliver(uint32(n%17%3), strconv.Itoa(n%17), c)
					switch {
					case errors.Is(err, outcome.ErrDraining):
						refused = true
					case errors.Is(err, outcome.ErrOverloaded), errors.Is(err, outcome.ErrActivationFailed):
					case err != nil:
						t.Error(err)
					default:
						calls = append(calls, c)
					}
					if n == 30 {
						started <- struct{}{}
					}
				}
				for _, c := range calls {
					_, _ = c.wait(t)
					if c.starts > 0 {
						await(t, c.ended, "a handler's end")
					}
					c.check(t)
				}
			})
		}
		for range 4 {
			await(t, started, "the senders")
		}
		w.stop()
		wg.Wait()
		o.check(t, 0)
		if n := w.Active(); n != 0 {
			t.Errorf("round %d: %d active", round, n)
		}
		for key, l := range x.keys.Range {
			if n := l.(*ledger).live.Load(); n != 0 {
				t.Errorf("round %d: key %q: %d live", round, key, n)
			}
		}
		w.pool.Close()
	}
	eventually(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= goroutines })
}
