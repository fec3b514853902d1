package dispatch

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/internal/standing"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// TestOwedInADrain: an answer that is owed when its shard drains has half a second, or until
// its own deadline if that is sooner, whether the drain is still waited for or not. Its key
// hears of the drain once, also when the call is left open only then.
func TestOwedInADrain(t *testing.T) {
	for name, c := range map[string]struct {
		limit    time.Duration // the handler timeout
		budget   time.Duration // of the sender
		leased   bool
		noEffect bool
		late     bool // left open when the shard drains
		notify   bool
		after    time.Duration
		want     error
		outcome  outcome.Outcome
	}{
		"of a fixed list":             {after: owedTime, want: outcome.ErrDraining, outcome: outcome.MaybeRan},
		"of a shard that moves":       {leased: true, after: owedTime, want: outcome.ErrNotOwner, outcome: outcome.MaybeRan},
		"left open later":             {late: true, after: owedTime, want: outcome.ErrDraining, outcome: outcome.MaybeRan},
		"without an effect":           {noEffect: true, after: owedTime, want: outcome.ErrHandedBack, outcome: outcome.NotStarted},
		"at the handler timeout":      {limit: 200 * time.Millisecond, after: 200 * time.Millisecond, want: outcome.ErrHandlerTimeout, outcome: outcome.MaybeRan},
		"at its sender's deadline":    {budget: 300 * time.Millisecond, after: 300 * time.Millisecond, want: context.DeadlineExceeded, outcome: outcome.MaybeRan},
		"without any other deadline":  {limit: -1, after: owedTime, want: outcome.ErrDraining, outcome: outcome.MaybeRan},
		"beside a far deadline":       {budget: time.Hour, after: owedTime, want: outcome.ErrDraining, outcome: outcome.MaybeRan},
		"without an effect, a notice": {notify: true, noEffect: true, after: owedTime, want: outcome.ErrDraining},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := NewDispatcher(transport.Limits{HandlerTimeout: c.limit}, silent)
				to := Subscriber{Receiver: &book{}, Standing: standing.Fixed()}
				if c.leased {
					to.Standing, _ = leased()
				}
				s, err := d.Subscribe(t.Context(), to)
				if err != nil {
					t.Fatal(err)
				}
				in, env := &inbox{}, transport.Envelope{Type: "x"}
				if c.notify {
					env.Delivery = transport.AwaitAccept
				}
				call := NewCall(env, in, c.budget)
				s.Dispatch(call)
				call.Start(nil)
				call.NoEffect(c.noEffect)
				heard := 0
				open := func() { call.OnDrain(func() { heard++ }); call.End() }
				if !c.late {
					open()
				}
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				if err := s.Drain(ctx); err == nil {
					t.Fatal("the drain does not wait")
				}
				_ = s.Drain(ctx)
				if c.late {
					open()
				}
				pass(c.after - time.Millisecond)
				if heard != 1 || s.Pending() != 1 {
					t.Fatalf("the key heard of the drain %d times; %d calls are in flight", heard, s.Pending())
				}
				pass(time.Millisecond)
				if n := s.Pending(); n != 0 {
					t.Fatalf("%d calls are in flight", n)
				}
				if c.notify { // its sender was told when it was accepted
					if err := in.only(); err != nil || !errors.Is(call.Failure(), c.want) {
						t.Errorf("the sender is told %v, the call failed with %v", err, call.Failure())
					}
				} else if err := in.only(); !errors.Is(err, c.want) || err.Outcome != c.outcome {
					t.Errorf("it ends with %v (%v)", err, err.Outcome)
				}
				if err := d.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
