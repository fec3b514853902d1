package host_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/internal/host"
	"github.com/clstr-go/clstr/outcome"
)

type clock struct{}

// TestStuckPeriodicWork closes the key while it is stuck, and goes on after it.
func TestStuckPeriodicWork(t *testing.T) {
	bubble(t, func(t *testing.T) {
		gate := make(chan struct{})
		ticks, ends, others := 0, 0, 0 // on the key's turns
		other := func(*clock, *actor.Context) error { others++; return nil }
		d := actor.Define("clock", func(string) *clock { return &clock{} },
			actor.HookTimeout(limit),
			actor.Every(65*time.Second, other), // due before the limit
			actor.Every(75*time.Second, other), // due after it
			actor.OnRequest(func(*clock, *actor.Context, Go) (bool, error) { return true, nil }),
			actor.Every(time.Minute, func(_ *clock, c *actor.Context) error {
				if ticks++; ticks == 1 {
					<-gate
				}
				if c.Err() != nil {
					ends++
				}
				return nil
			}),
		)
		w := newWorld(t, host.Options{Factory: d.New})
		if _, err := w.request("k", "Go").settled(t); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		synctest.Wait() // it ticks
		began := time.Now()
		if _, err := w.request("k", "Go").wait(t); !isStuck(err) || time.Since(began) != limit {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
		w.refusedAsStuck("k")
		pass(10 * time.Second)
		close(gate)
		synctest.Wait()
		if _, err := w.request("k", "Go").settled(t); err != nil {
			t.Error(err)
		}
		pass(2*time.Minute + time.Second)
		synctest.Wait()
		if ticks != 3 || ends != 1 {
			t.Errorf("%d ticks, %d of them with a context that has ended; want 3 and 1", ticks, ends)
		}
		if others != 2+2 {
			t.Errorf("%d ticks of what was due beside it, want 4", others)
		}
	})
}

// TestHookTimeoutValues: the host's, the definition's, the default, none.
func TestHookTimeoutValues(t *testing.T) {
	type slow struct{}
	for _, c := range []struct{ host, definition, want time.Duration }{
		{0, 0, host.DefaultHookTimeout},
		{0, time.Second, time.Second},
		{0, time.Hour, time.Hour},
		{0, -1, 0},
		{time.Minute, time.Second, time.Minute},
		{-1, time.Second, 0},
	} {
		bubble(t, func(t *testing.T) {
			var options []actor.Option
			if c.definition != 0 {
				options = append(options, actor.HookTimeout(c.definition))
			}
			options = append(options,
				actor.OnRequest(func(*slow, *actor.Context, Go) (bool, error) { return true, nil }),
				actor.OnActivate(func(_ *slow, ctx *actor.Context) error {
					if d, ok := ctx.Deadline(); ok != (c.want > 0) || ok && time.Until(d) != c.want {
						t.Errorf("%+v: deadline in %v, %v", c, time.Until(d), ok)
					}
					pass(45 * time.Minute)
					return nil
				}))
			w := newWorld(t, host.Options{HookTimeout: c.host, Factory: actor.Define("slow", func(string) *slow { return &slow{} }, options...).New})
			began := time.Now()
			first := w.request("k", "Go")
			<-first.answered // virtual
			took := time.Since(began)
			_, err := first.wait(t)
			if limited := c.want > 0 && c.want < 45*time.Minute; limited != errors.Is(err, outcome.ErrActivationFailed) || limited && took != c.want {
				t.Errorf("%+v: %v after %v", c, err, took)
			}
			pass(time.Hour) // the hook returns
		})
	}
}

// TestHookContextEndsWithTheHook, and with a host that gives up.
func TestHookContextEndsWithTheHook(t *testing.T) {
	var kept *host.Context
	w := newWorld(t, host.Options{Factory: making(func(string) *entity {
		return &entity{activate: func(c *host.Context) error { kept = c; return nil }}
	})})
	w.want("k", "go", "")
	if !errors.Is(kept.Err(), context.Canceled) {
		t.Errorf("after the hook: %v", kept.Err())
	}
}

// TestStopNamesWhatIsStuck: kind, shard, key and what it does.
func TestStopNamesWhatIsStuck(t *testing.T) {
	bubble(t, func(t *testing.T) {
		gate := make(chan struct{})
		w := newWorld(t, host.Options{Kind: "account", HookTimeout: limit, Factory: making(func(key string) *entity {
			return &entity{
				handle: func(c *host.Context) {
					c.Call().Reply(nil, nil)
					if key == "works" {
						<-gate
					}
				},
				passivate: func(*host.Context) {
					if key == "stuck" {
						<-gate
					}
				},
			}
		})})
		for _, key := range []string{"stuck", "works", "fine"} {
			c := newCall()
			w.deliver(7, key, c, host.Message{})
			_, _ = c.wait(t)
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		err := w.Stop(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Minute {
			t.Fatalf("Stop: %v after %v", err, time.Since(began))
		}
		for _, part := range []string{`kind "account"`, "shard 7", `"stuck" (passivation for 1m0s)`, `"works" (a message)`} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q does not say %s", err, part)
			}
		}
		if strings.Contains(err.Error(), "fine") {
			t.Errorf("%q names a key that has ended", err)
		}
		close(gate)
	})
}

func TestHookTimeoutOutOfRange(t *testing.T) {
	for _, d := range []time.Duration{0, -2, -time.Second} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("HookTimeout(%v) was taken", d)
				}
			}()
			type e struct{}
			actor.Define("e", func(string) *e { return &e{} }, actor.HookTimeout(d))
		}()
	}
}
