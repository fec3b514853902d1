// What a draining shard serves still, because handlers wait for it

package transporttest

import (
	"context"
	"sync"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// running is a call whose handler runs. Calls that are made with its context are calls
// that it waits for. It ends with the test at the latest.
type running struct {
	*dispatch.Call
	end    func() // replies the owner's name
	by     *owner
	result <-chan result
}

func (r *realm) begun(ctx context.Context, shard int, o *owner) running {
	r.s.Helper()
	call := r.start(ctx, transport.Envelope{Shard: shard, Type: "Held"})
	c := receive(r.s, "the call", o.held)
	if !c.Start(nil) {
		r.s.Fatal("the call does not start")
	}
	end := sync.OnceFunc(func() {
		c.Reply([]byte(o.name), nil)
		c.End()
	})
	r.s.Cleanup(end)
	return running{c, end, o, call}
}

// asks sends env as the handler of c.
func (r *realm) asks(c context.Context, env transport.Envelope) ([]byte, error) {
	r.s.Helper()
	ctx, cancel := context.WithTimeout(c, patience)
	defer cancel()
	reply, err := r.Client.Request(ctx, env)
	if ctx.Err() != nil {
		r.s.Fatalf("the handler waited for %v: %v", patience, err)
	}
	return reply, err
}

// needs requires that shard 0 serves what the handler of c asks.
func (r *realm) needs(c context.Context, by *owner, what string) {
	r.s.Helper()
	for _, d := range []transport.Delivery{transport.AwaitReply, transport.AwaitAccept} {
		reply, err := r.asks(c, transport.Envelope{Type: "Who", Delivery: d})
		if err != nil || d == transport.AwaitReply && string(reply) != by.name {
			r.s.Fatalf("%s (delivery %d): reply %q, %v", what, d, reply, err)
		}
	}
}

// replied ends a call that runs, and requires that its sender gets the reply.
func (r *realm) replied(c running) {
	r.s.Helper()
	c.end()
	if done := receive(r.s, "the reply", c.result); done.err != nil || string(done.data) != c.by.name {
		r.s.Errorf("reply %q, %v", done.data, done.err)
	}
}

// drains begins to drain shard 0, and returns when the shard refuses what none of its
// handlers waits for.
func (r *realm) drains(t *dispatch.Sub) (drained <-chan error) {
	r.s.Helper()
	drained = ends(func() error { return t.Drain(r.s.patient()) })
	r.s.eventually("the drain begins", func() bool {
		_, err := r.request(transport.Envelope{Type: "Who"})
		return err != nil
	})
	r.refuses()
	return drained
}

// refuses requires that shard 0 refuses what none of its handlers waits for.
func (r *realm) refuses() {
	r.s.Helper()
	for _, d := range []transport.Delivery{transport.AwaitReply, transport.AwaitAccept} {
		_, err := r.request(transport.Envelope{Type: "Who", Delivery: d})
		r.s.failed(err, outcome.ErrDraining, outcome.NotStarted)
	}
}

// A shard that drains serves what its own handlers wait for, directly or by way of
// another shard, because otherwise the drain would never end. It refuses the rest, and
// after the drain it refuses everything.
func testDrainServesWhatItNeeds(s *suite) {
	r := s.realm(transport.Limits{})
	o, far := newOwner("it"), newOwner("far")
	t := r.own(0, 1, o)
	r.own(1, 1, far)
	c := r.begun(s.patient(), 0, o)
	drained := r.drains(t)
	r.needs(c, o, "asked by a handler that is waited for")
	ctx, cancel := context.WithTimeout(c, patience)
	defer cancel()
	inner := r.begun(ctx, 1, far)
	r.needs(inner, o, "asked by way of another shard")
	r.refuses()
	r.replied(inner)
	select {
	case err := <-drained:
		s.Fatalf("Drain returned (%v) while a handler was running", err)
	default:
	}
	r.replied(c)
	if err := receive(s, "Drain", drained); err != nil {
		s.Error(err)
	}
	r.refuses()
}

// A drain refuses what handlers of another shard wait for, however long they wait. If
// that shard drains too, and a handler here asks it meanwhile, the two wait for each
// other. Then the call is served.
func testDrainsThatWaitForEachOther(s *suite) {
	r := s.realm(transport.Limits{})
	o, far := newOwner("it"), newOwner("far")
	t, farTenure := r.own(0, 1, o), r.own(1, 1, far)
	c := r.begun(s.patient(), 0, o)
	other := r.begun(s.patient(), 1, far)
	tries := dispatch.BeginWait(c) // shard 1, again and again
	tries.For(c, 1)
	drained := r.drains(t)
	for range 20 {
		_, err := r.asks(other, transport.Envelope{Type: "Who"})
		s.failed(err, outcome.ErrDraining, outcome.NotStarted)
	}
	again := dispatch.BeginWait(other) // also from one try to the next, as clients do
	again.For(other, 0)
	farDrained := ends(func() error { return farTenure.Drain(s.patient()) })
	s.eventually("what a handler waits for that a drain waits for is served", func() bool {
		_, err := r.asks(other, transport.Envelope{Type: "Who"})
		if err != nil {
			s.failed(err, outcome.ErrDraining, outcome.NotStarted)
		}
		return err == nil
	})
	r.needs(other, o, "asked by a handler that another drain waits for")
	r.refuses()
	again.EndWait(other)
	tries.EndWait(c)
	r.replied(c)
	if err := receive(s, "Drain", drained); err != nil {
		s.Error(err)
	}
	_, err := r.asks(other, transport.Envelope{Type: "Who"})
	s.failed(err, outcome.ErrDraining, outcome.NotStarted)
	r.replied(other)
	if err := receive(s, "the other Drain", farDrained); err != nil {
		s.Error(err)
	}
}

// held starts a call that is handed over but does not run yet.
func (r *realm) held(o *owner) (*dispatch.Call, <-chan result) {
	r.s.Helper()
	call := r.start(r.s.patient(), transport.Envelope{Type: "Held"})
	return receive(r.s, "the call", o.held), call
}
