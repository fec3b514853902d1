package dispatch

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

func TestLimitsAreChecked(t *testing.T) {
	for _, l := range []transport.Limits{{MaxConcurrentHandlers: -2}, {MaxPending: -2}, {HandlerTimeout: -2}} {
		if err := l.Validate(); !errors.Is(err, outcome.ErrBadOption) {
			t.Errorf("%+v: %v", l, err)
		}
	}
	for _, l := range []transport.Limits{{}, {MaxConcurrentHandlers: -1, MaxPending: -1, HandlerTimeout: -1}, {MaxConcurrentHandlers: 1, MaxPending: 1, HandlerTimeout: 1}} {
		if err := l.Validate(); err != nil {
			t.Errorf("%+v: %v", l, err)
		}
	}
}

func TestTTLOfAWaitingCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &book{}
		s := b.sub(t, transport.Limits{})
		// The default has a class of its own on the sub's clock.
		for _, ttl := range []time.Duration{time.Millisecond, time.Second, DefaultRequestTimeout, time.Hour} {
			in := &inbox{}
			env := transport.Envelope{Type: "Wait"}
			transport.WithTTL(ttl)(&env)
			s.Dispatch(NewCall(env, in, 2*time.Hour))
			pass(ttl - 1)
			if in.count() != 0 {
				t.Errorf("TTL %v: answered early", ttl)
			}
			pass(1)
			if e := in.only(); !errors.Is(e, outcome.ErrEnvelopeExpired) || e.Outcome != outcome.NotStarted {
				t.Errorf("TTL %v: %v, %v", ttl, e, e.Outcome)
			}
		}
		for _, c := range b.calls {
			if c.Start(nil) {
				t.Error("an expired call has started")
			}
		}
		if s.Pending() != 0 {
			t.Errorf("%d pending", s.Pending())
		}
	})
}

func TestHandlerTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &book{}
		s := b.sub(t, transport.Limits{HandlerTimeout: time.Second})
		for _, budget := range []time.Duration{0, time.Hour} { // counted from the start, not from the arrival
			in := &inbox{}
			c := NewCall(transport.Envelope{TTLMs: DefaultRequestTimeout.Milliseconds()}, in, budget)
			s.Dispatch(c)
			pass(10 * time.Second)
			c.Start(nil)
			if d, ok := c.Deadline(); !ok || time.Until(d) != time.Second {
				t.Errorf("deadline in %v, %v", time.Until(d), ok)
			}
			pass(time.Second - 1)
			if in.count() != 0 {
				t.Error("answered early")
			}
			pass(1)
			if e := in.only(); !errors.Is(e, outcome.ErrHandlerTimeout) || e.Outcome != outcome.MaybeRan || !errors.Is(c.Err(), context.DeadlineExceeded) {
				t.Errorf("%v, %v; the context has %v", e, e.Outcome, c.Err())
			}
			if s.Pending() != 1 {
				t.Errorf("%d pending while the handler is running", s.Pending())
			}
			c.Reply([]byte("too late"), nil)
			c.End()
		}
		if s.Pending() != 0 || b.finished.Load() != 2 {
			t.Errorf("%d pending, %d finished", s.Pending(), b.finished.Load())
		}
	})
}

func TestNoHandlerTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, timeout := range []time.Duration{-1, 1<<63 - 1} {
			in := &inbox{}
			c := NewCall(transport.Envelope{}, in, 2000*time.Hour)
			(&book{}).sub(t, transport.Limits{HandlerTimeout: timeout}).Dispatch(c)
			c.Start(nil)
			pass(1000 * time.Hour)
			if d, ok := c.Deadline(); in.count() != 0 || c.Err() != nil || ok && time.Until(d) < 1000*time.Hour {
				t.Errorf("timeout %v: %d answers, %v, deadline %v", timeout, in.count(), c.Err(), d)
			}
			c.Reply(nil, nil)
			c.End()
		}
	})
}

func TestExpiredAtArrival(t *testing.T) {
	b := &book{}
	s := b.sub(t, transport.Limits{})
	for _, env := range []transport.Envelope{{TTLMs: -1}, {TTLMs: 1, CreatedAtMs: 1}} {
		for _, delivery := range []transport.Delivery{transport.AwaitReply, transport.AwaitAccept} {
			in := &inbox{}
			env.Delivery = delivery
			s.Dispatch(NewCall(env, in, 0))
			if e := in.only(); !errors.Is(e, outcome.ErrEnvelopeExpired) || e.Outcome != outcome.NotStarted {
				t.Errorf("%+v: %v, %v", env, e, e.Outcome)
			}
		}
	}
	if len(b.calls) != 0 {
		t.Errorf("%d were accepted", len(b.calls))
	}
}

func TestNotificationsAreAnsweredOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &book{}
		s := b.sub(t, transport.Limits{HandlerTimeout: time.Second})
		for name, end := range map[string]func(*Call){
			"reply":   func(c *Call) { c.Reply([]byte("dropped"), nil) },
			"error":   func(c *Call) { c.Reply(nil, errors.New("dropped")) },
			"panic":   func(c *Call) { c.Panicked("dropped") },
			"timeout": func(*Call) { pass(time.Minute) },
		} {
			in := &inbox{}
			c := NewCall(transport.Envelope{Delivery: transport.AwaitAccept}, in, time.Nanosecond) // its sender's deadline is not its own
			s.Dispatch(c)
			if in.count() != 1 {
				t.Errorf("%s: %d answers when it was accepted", name, in.count())
			}
			pass(time.Millisecond)
			if !c.Start(nil) {
				t.Errorf("%s: did not start", name)
			}
			end(c)
			c.End()
			if e := in.only(); e != nil || in.replies[0] != "" {
				t.Errorf("%s: answered %q, %v", name, in.replies[0], e)
			}
		}
	})
}

// TestAcceptanceStands: a sender whose context ends while its notification is
// accepted learns that it was.
func TestAcceptanceStands(t *testing.T) {
	for range 50 {
		ctx, cancel := context.WithCancel(t.Context())
		b := &book{}
		d := NewDispatcher(transport.Limits{}, silent)
		s, err := d.Subscribe(ctx, whole(receiverFunc(func(c *Call) { cancel(); b.Accept(c) })))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Do(ctx, transport.Envelope{Delivery: transport.AwaitAccept}); err != nil {
			t.Fatalf("accepted, and the sender was told %v", err)
		}
		c := b.calls[0]
		if c.Err() != nil || !c.Start(nil) {
			t.Fatalf("the notification has ended with its sender: %v", c.Err())
		}
		c.Reply(nil, nil)
		c.End()
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

type receiverFunc func(*Call)

func (f receiverFunc) Accept(c *Call) { f(c) }

// TestCloseGivesUp: handlers that ignore their context cost one wait together,
// and a Close after they have ended finds everything in order.
func TestCloseGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDispatcher(transport.Limits{HandlerTimeout: time.Second}, silent)
		hold := make(chan struct{})
		for range 5 {
			s, err := d.Subscribe(t.Context(), whole(d.ReceiverFunc(func(context.Context, transport.Envelope) ([]byte, error) { <-hold; return nil, nil })))
			if err != nil {
				t.Fatal(err)
			}
			s.Dispatch(NewCall(transport.Envelope{Delivery: transport.AwaitNothing}, nil, 0))
		}
		for range 2 {
			began := time.Now()
			if err := d.Close(); !errors.Is(err, outcome.ErrHandlerTimeout) || time.Since(began) != time.Second+grace {
				t.Errorf("Close returned %v after %v", err, time.Since(began))
			}
		}
		close(hold)
		if err := d.Close(); err != nil || d.life.pool.Stats().Workers != 0 {
			t.Errorf("Close returned %v when all had ended; %+v", err, d.life.pool.Stats())
		}
		if _, err := d.Subscribe(t.Context(), whole(&book{})); !errors.Is(err, outcome.ErrTransportClosed) {
			t.Errorf("Subscribe after Close: %v", err)
		}
	})
}

func TestUnsubscribeRacesWithCalls(t *testing.T) {
	d := NewDispatcher(transport.Limits{}, silent)
	defer d.Close()
	for range 100 {
		s, err := d.Subscribe(t.Context(), whole(d.ReceiverFunc(func(context.Context, transport.Envelope) ([]byte, error) { return nil, nil })))
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 5 {
					if _, err := s.Do(t.Context(), transport.Envelope{}); err != nil && (!errors.Is(err, outcome.ErrDraining) || outcome.Of(err) != outcome.NotStarted) {
						t.Errorf("%v, %v", err, outcome.Of(err))
					}
				}
			})
		}
		for range 2 {
			all.Go(func() {
				if err := s.Unsubscribe(); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if s.Pending() != 0 {
			t.Fatalf("%d pending", s.Pending())
		}
	}
}
