package transporttest

import (
	"context"
	"log/slog"

	"github.com/clstr-go/clstr/transport"
)

// A notification that was accepted and may not start any more cannot be taken
// back: who counts failures is told.
func testGateAtStart(s *suite) {
	r := s.realm(transport.Limits{})
	o := newOwner("it")
	o.life = transport.NewLifetime(slog.New(slog.DiscardHandler), r.Server)
	failed := make(chan *transport.Error, 1)
	o.life.ObserveFailed(func(err *transport.Error) { failed <- err })
	s.Cleanup(func() { _ = o.life.End() })
	r.own(0, 1, o)
	r.want(transport.Envelope{Type: "Who"}, "it")
	call := r.start(s.patient(), transport.Envelope{Type: "Held"})
	c := receive(s, "the request", o.held)
	r.accepted(transport.Envelope{Type: "Held"})
	n := receive(s, "the notification", o.held)
	o.starts.Store(true)
	o.answer(c)
	s.failed(receive(s, "the refusal", call).err, transport.ErrNotOwner, transport.NotStarted)
	o.answer(n)
	s.failed(receive(s, "the failure", failed), transport.ErrNotOwner, transport.NotStarted)
	if o.ran.Load() != 1 {
		s.Errorf("%d calls have run, want the first alone", o.ran.Load())
	}
}

func testGateOnArrival(s *suite) {
	r := s.realm(transport.Limits{})
	o := newOwner("it")
	r.own(0, 1, o)
	r.want(transport.Envelope{Type: "Who"}, "it")
	o.refuse.Store(true)
	for _, d := range []transport.Delivery{transport.AwaitReply, transport.AwaitAccept} {
		_, err := r.request(transport.Envelope{Type: "Held", Delivery: d})
		s.failed(err, transport.ErrNotOwner, transport.NotStarted)
	}
	select {
	case <-o.held:
		s.Error("the receiver was handed what its gate has refused")
	default:
	}
	o.refuse.Store(false)
	r.want(transport.Envelope{Type: "Who"}, "it")
}

// held starts a call that is handed over and does not run yet.
func (r *realm) held(o *owner) (*transport.Call, <-chan result) {
	r.s.Helper()
	call := r.start(r.s.patient(), transport.Envelope{Type: "Held"})
	return receive(r.s, "the call", o.held), call
}

// run runs a call on a goroutine that ends with h.
func run(s *suite, c *transport.Call, h func(context.Context) string) {
	s.Helper()
	if !c.Start(nil) {
		s.Fatal("the call does not start")
	}
	go func() {
		c.Reply([]byte(h(c)), nil)
		c.End()
	}()
}
