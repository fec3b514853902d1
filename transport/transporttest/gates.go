// Calls that may not start, drains and drops

package transporttest

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// A notification that was accepted cannot be taken back if it may not start any more.
// The counter of failures hears of it.
func testGateAtStart(s *suite) {
	r := s.realm(transport.Limits{})
	o := newOwner("it")
	o.life = dispatch.NewLifetime(slog.New(slog.DiscardHandler), dispatch.DispatcherOf(r.Server))
	failed := make(chan *outcome.Error, 1)
	o.life.ObserveFailed(func(err *outcome.Error) { failed <- err })
	s.Cleanup(func() { _ = o.life.End() })
	r.own(0, 1, o)
	r.want(transport.Envelope{Type: "Who"}, "it")
	call := r.start(s.patient(), transport.Envelope{Type: "Held"})
	c := receive(s, "the request", o.held)
	r.accepted(transport.Envelope{Type: "Held"})
	n := receive(s, "the notification", o.held)
	o.loses()
	o.answer(c)
	s.failed(receive(s, "the refusal", call).err, outcome.ErrNotOwner, outcome.NotStarted)
	o.answer(n)
	s.failed(receive(s, "the failure", failed), outcome.ErrNotOwner, outcome.NotStarted)
	if o.ran.Load() != 1 {
		s.Errorf("%d calls have run, want the first alone", o.ran.Load())
	}
}

func testGateOnArrival(s *suite) {
	r := s.realm(transport.Limits{})
	o := newOwner("it")
	r.own(0, 1, o)
	r.want(transport.Envelope{Type: "Who"}, "it")
	o.lapses()
	for _, d := range []transport.Delivery{transport.AwaitReply, transport.AwaitAccept} {
		_, err := r.request(transport.Envelope{Type: "Held", Delivery: d})
		s.failed(err, outcome.ErrNotOwner, outcome.NotStarted)
	}
	select {
	case <-o.held:
		s.Error("the receiver was handed what its gate has refused")
	default:
	}
	o.renews()
	r.want(transport.Envelope{Type: "Who"}, "it")
}

// run runs a call on a goroutine that ends with h.
func run(s *suite, c *dispatch.Call, h func(context.Context) string) {
	s.Helper()
	if !c.Start(nil) {
		s.Fatal("the call does not start")
	}
	go func() {
		c.Reply([]byte(h(c)), nil)
		c.End()
	}()
}

// A drain refuses new calls and waits for accepted ones. The subscription stays and
// refuses.
func testDrain(s *suite) {
	r := s.realm(transport.Limits{})
	o := newOwner("it")
	t := r.own(0, 1, o)
	c, call := r.held(o)
	ctx, cancel := context.WithCancel(s.patient())
	given := ends(func() error { return t.Drain(ctx) })
	cancel()
	if err := receive(s, "a drain that is given up", given); !errors.Is(err, context.Canceled) {
		s.Errorf("a drain that is given up returns %v", err)
	}
	drained := ends(func() error { return t.Drain(s.patient()) })
	for _, d := range []transport.Delivery{transport.AwaitReply, transport.AwaitAccept} {
		_, err := r.request(transport.Envelope{Type: "Who", Delivery: d})
		s.failed(err, outcome.ErrDraining, outcome.NotStarted)
	}
	select {
	case err := <-drained:
		s.Fatalf("Drain returned (%v) before an accepted call had finished", err)
	default:
	}
	o.answer(c)
	if done := receive(s, "the reply", call); done.err != nil || string(done.data) != "it" {
		s.Errorf("reply %q, %v", done.data, done.err)
	}
	if err := receive(s, "Drain", drained); err != nil {
		s.Error(err)
	}
	_, err := r.request(transport.Envelope{Type: "Who"})
	s.failed(err, outcome.ErrDraining, outcome.NotStarted)
	if err := t.Unsubscribe(); err != nil {
		s.Error(err)
	}
	_, err = r.request(transport.Envelope{Type: "Who"})
	s.failed(err, outcome.ErrNotOwner, outcome.NotStarted)
}

// A drop ends the contexts of handlers that look at them, now or later, and their
// callers are told at once that they may have run. It waits for the other handlers.
func testDrop(s *suite) {
	r := s.realm(transport.Limits{})
	o := newOwner("it")
	t := r.own(0, 1, o)
	waits, dropped, hold := make(chan struct{}), s.gate(), s.gate()
	looks := []func(context.Context) string{
		func(ctx context.Context) string { done := ctx.Done(); close(waits); <-done; return "" },
		func(ctx context.Context) string {
			for ctx.Err() == nil {
				<-time.After(time.Millisecond)
			}
			return ""
		},
		func(ctx context.Context) string { <-dropped.c; <-ctx.Done(); return "" },
		func(ctx context.Context) string { // looks at one derived from it
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			<-ctx.Done()
			return ""
		},
	}
	var calls []<-chan result
	for _, h := range looks {
		c, call := r.held(o)
		run(s, c, h)
		calls = append(calls, call)
	}
	receive(s, "a handler", waits)
	c, blind := r.held(o)
	run(s, c, func(context.Context) string { <-hold.c; return "blind" })
	late, refused := r.held(o)
	drop := ends(func() error { return t.Drop(s.patient()) })
	s.failed(receive(s, "who waits for its context's end", calls[0]).err, outcome.ErrNotOwner, outcome.MaybeRan)
	dropped.open()
	for _, call := range calls[1:] {
		s.failed(receive(s, "who looks at its context", call).err, outcome.ErrNotOwner, outcome.MaybeRan)
	}
	o.at.Lose()
	o.answer(late)
	s.failed(receive(s, "what had not started", refused).err, outcome.ErrNotOwner, outcome.NotStarted)
	select {
	case err := <-drop:
		s.Fatalf("Drop returned (%v) while a handler was running", err)
	default:
	}
	hold.open()
	if done := receive(s, "the reply", blind); done.err != nil || string(done.data) != "blind" {
		s.Errorf("reply %q, %v", done.data, done.err)
	}
	if err := receive(s, "Drop", drop); err != nil {
		s.Error(err)
	}
}
