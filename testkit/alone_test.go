package testkit_test

import (
	"context"
	"errors"
	"testing"
	"time"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
)

func askSum(t *testing.T, e *testkit.Entity, n int) sum {
	t.Helper()
	s, err := testkit.Ask[sum](e, add{n})
	if err != nil {
		t.Fatalf("add %d: %v", n, err)
	}
	return s
}

func TestAloneAnswersAndKeepsErrors(t *testing.T) {
	testkit.Alone(t, counters.New, "a", testkit.AloneOptions{}, func(t *testing.T, e *testkit.Entity) {
		if e.Active() {
			t.Error("active before its first message")
		}
		askSum(t, e, 2)
		if s := askSum(t, e, 3); s.N != 5 {
			t.Errorf("got %d, want 5", s.N)
		}
		if !e.Active() {
			t.Error("not active")
		}
		_, err := testkit.Ask[sum](e, add{-1})
		if !errors.Is(err, errNegative) || cluster.OutcomeOf(err) != cluster.RanAndFailed {
			t.Errorf("got %v", err)
		}
		if s, err := testkit.Ask[*sum](e, &add{1}); err != nil || s.N != 6 {
			t.Errorf("by pointer: %v, %v", s, err)
		}
	})
}

func TestAloneTimeIsVirtualAndExact(t *testing.T) {
	h := &hooks{}
	def := h.define(actor.Every(time.Minute, (*counter).tick))
	testkit.Alone(t, def.New, "a", testkit.AloneOptions{}, func(t *testing.T, e *testkit.Entity) {
		askSum(t, e, 1)
		e.Advance(59 * time.Second)
		if s := askSum(t, e, 1); s.Ticks != 0 {
			t.Errorf("%d ticks before their time", s.Ticks)
		}
		e.Advance(time.Second)
		if s := askSum(t, e, 1); s.Ticks != 1 {
			t.Errorf("%d ticks after a minute", s.Ticks)
		}
		e.Advance(10 * time.Minute)
		if s := askSum(t, e, 1); s.Ticks != 11 {
			t.Errorf("%d ticks after eleven minutes", s.Ticks)
		}
		began := time.Now()
		_, err := testkit.Ask[sum](e, block{}, cluster.WithTTL(5*time.Second))
		if cluster.OutcomeOf(err) != cluster.MaybeRan || time.Since(began) != 5*time.Second {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
	})
}

func TestAlonePassivatesWhenIdle(t *testing.T) {
	h := &hooks{}
	def := h.define(actor.PassivateAfter(8 * time.Minute))
	testkit.Alone(t, def.New, "a", testkit.AloneOptions{}, func(t *testing.T, e *testkit.Entity) {
		askSum(t, e, 1)
		e.Advance(7 * time.Minute)
		askSum(t, e, 1)
		e.Advance(8*time.Minute - time.Second)
		if !e.Active() {
			t.Error("passivated before its time")
		}
		e.Advance(time.Minute + 2*time.Second)
		if e.Active() || h.passivated.Load() != 1 {
			t.Errorf("active %v, passivated %d times", e.Active(), h.passivated.Load())
		}
		if s := askSum(t, e, 1); s.N != 1 {
			t.Errorf("the new incarnation begins with %d", s.N)
		}
	})
	if h.activated.Load() != 2 || h.passivated.Load() != 2 {
		t.Errorf("activated %d times, passivated %d times", h.activated.Load(), h.passivated.Load())
	}
}

// An entity with periodic work is passivated in time too: its ticks are no
// messages.
func TestAlonePassivatesInSpiteOfTicks(t *testing.T) {
	h := &hooks{}
	def := h.define(actor.Every(50*time.Second, (*counter).tick), actor.PassivateAfter(8*time.Minute))
	testkit.Alone(t, def.New, "a", testkit.AloneOptions{}, func(t *testing.T, e *testkit.Entity) {
		askSum(t, e, 1)
		e.Advance(9*time.Minute + 2*time.Second)
		if e.Active() || h.passivated.Load() != 1 {
			t.Errorf("active %v, passivated %d times", e.Active(), h.passivated.Load())
		}
		e.Advance(time.Hour)
		if h.activated.Load() != 1 {
			t.Errorf("activated %d times by nobody", h.activated.Load())
		}
	})
}

func TestAlonePassivateWaitsForTheHook(t *testing.T) {
	h := &hooks{}
	testkit.Alone(t, h.define().New, "a", testkit.AloneOptions{}, func(t *testing.T, e *testkit.Entity) {
		e.Passivate() // not active: nothing
		if h.activated.Load() != 0 {
			t.Error("Passivate has activated it")
		}
		askSum(t, e, 1)
		e.Passivate()
		if e.Active() || h.passivated.Load() != 1 {
			t.Errorf("active %v, passivated %d times", e.Active(), h.passivated.Load())
		}
	})
}

func TestAloneRestartLosesMemory(t *testing.T) {
	h := &hooks{}
	testkit.Alone(t, h.define().New, "a", testkit.AloneOptions{}, func(t *testing.T, e *testkit.Entity) {
		askSum(t, e, 7)
		if err := e.Restart(); err != nil {
			t.Error(err)
		}
		if !e.Active() || h.activated.Load() != 2 || h.passivated.Load() != 1 {
			t.Errorf("active %v, activated %d, passivated %d", e.Active(), h.activated.Load(), h.passivated.Load())
		}
		if s := askSum(t, e, 1); s.N != 1 {
			t.Errorf("got %d, want 1", s.N)
		}
		h.failActivation.Store(true)
		if err := e.Restart(); !errors.Is(err, cluster.ErrActivationFailed) {
			t.Errorf("got %v", err)
		}
		if e.Active() {
			t.Error("active after a failed activation")
		}
	})
}

func TestAloneCrashSkipsTheHook(t *testing.T) {
	h := &hooks{}
	testkit.Alone(t, h.define().New, "a", testkit.AloneOptions{}, func(t *testing.T, e *testkit.Entity) {
		askSum(t, e, 7)
		e.Crash()
		if h.passivated.Load() != 0 {
			t.Error("OnPassivate ran")
		}
		if s := askSum(t, e, 1); s.N != 1 {
			t.Errorf("got %d, want 1", s.N)
		}
	})
}

func TestAloneNotifyReturnsWhenHandledOrWaiting(t *testing.T) {
	h := &hooks{}
	testkit.Alone(t, h.define().New, "a", testkit.AloneOptions{}, func(t *testing.T, e *testkit.Entity) {
		began := time.Now()
		if err := e.Notify(sum{}); err != nil { // its handler takes a minute
			t.Fatal(err)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("Notify took %v", took)
		}
		e.Advance(time.Minute)
		if s := askSum(t, e, 1); s.N != 1001 {
			t.Errorf("got %d", s.N)
		}
		if _, err := testkit.Ask[sum](e, struct{}{}); cluster.OutcomeOf(err) != cluster.NotSent {
			t.Errorf("a message without a name: %v", err)
		}
	})
}

func TestAloneHostsProtoactorActors(t *testing.T) {
	props := func(string) (actor.Actor, error) {
		n := 0
		return pactor.ReceiveFunc(func(ctx pactor.Context) {
			switch ctx.Message().(type) {
			case *pactor.Started:
				ctx.SetReceiveTimeout(time.Hour)
			case *pactor.ReceiveTimeout:
				n += 100
			case *actor.Message:
				n++
				ctx.Respond(sum{N: n})
			}
		}), nil
	}
	testkit.Alone(t, props, "a", testkit.AloneOptions{}, func(t *testing.T, e *testkit.Entity) {
		askSum(t, e, 1)
		if s := askSum(t, e, 1); s.N != 2 {
			t.Errorf("got %d, want 2", s.N)
		}
		e.Advance(time.Hour)
		if s := askSum(t, e, 1); s.N != 103 {
			t.Errorf("got %d, want 103", s.N)
		}
		if err := e.Restart(); err != nil {
			t.Error(err)
		}
		if s := askSum(t, e, 1); s.N != 1 {
			t.Errorf("after a restart: %d", s.N)
		}
		e.Crash()
		if s := askSum(t, e, 1); s.N != 1 {
			t.Errorf("after a crash: %d", s.N)
		}
		e.Passivate()
		if e.Active() {
			t.Error("active")
		}
	})
}

func TestAloneClientTakesContexts(t *testing.T) {
	testkit.Alone(t, counters.New, "a", testkit.AloneOptions{}, func(t *testing.T, e *testkit.Entity) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		_, err := e.Client().Request(ctx, block{})
		if !errors.Is(err, cluster.ErrHandlerTimeout) {
			t.Errorf("got %v, want the node's own limit of 30 s", err)
		}
	})
}
