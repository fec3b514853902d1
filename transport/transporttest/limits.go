// Pending calls, running handlers, nested requests

package transporttest

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

var limitTests = []test{
	{"pending calls", testMaxPending},
	{"calls whose callers have gone still count", testGoneCallersCount},
	{"calls in flight of a node", testInFlight},
	{"a node's limit lets its handlers ask", testInFlightNested},
	{"running handlers", testMaxHandlers},
	{"nested requests in a chain", testNestedChain},
	{"nested requests side by side", testNestedFanOut},
	{"many nested requests at once", testNestedCrowd},
}

func testMaxPending(s *suite) {
	const most = 3
	p := s.pair(transport.Limits{MaxConcurrentHandlers: 1, MaxPending: most})
	hold := s.gate()
	var ran atomic.Int32
	p.serve(0, func(context.Context, transport.Envelope) ([]byte, error) { <-hold.c; ran.Add(1); return nil, nil })
	p.serve(1, func(context.Context, transport.Envelope) ([]byte, error) { return nil, nil })
	for range most {
		p.accepted(transport.Envelope{Type: "Fill"})
	}
	for _, delivery := range []transport.Delivery{transport.AwaitReply, transport.AwaitAccept} {
		_, err := p.request(transport.Envelope{Type: "Over", Delivery: delivery})
		e := s.failed(err, outcome.ErrOverloaded, outcome.NotStarted)
		if after, ok := outcome.RetryAfter(err); !ok || after <= 0 || e.RetryAfter != after {
			s.Errorf("RetryAfter %v, %v", after, ok)
		}
	}
	p.accepted(transport.Envelope{Shard: 1, Type: "Elsewhere"}) // the limit is each shard's
	hold.open()
	s.eventually("the shard takes calls again", func() bool {
		_, err := p.request(transport.Envelope{Type: "After"})
		if err != nil {
			s.failed(err, outcome.ErrOverloaded, outcome.NotStarted)
		}
		return err == nil
	})
	if n := ran.Load(); n != most+1 {
		s.Errorf("%d handlers ran, want %d", n, most+1)
	}
}

// If a caller leaves while its call waits in line, the call's memory stays in use. So
// it must not make room for another call, or a stuck node would grow without bound.
func testGoneCallersCount(s *suite) {
	const most = 8
	p := s.pair(transport.Limits{MaxConcurrentHandlers: 1, MaxPending: most})
	hold, entered := s.gate(), make(chan struct{}, 1)
	p.serve(0, func(_ context.Context, env transport.Envelope) ([]byte, error) {
		if env.Type == "Busy" {
			entered <- struct{}{}
			<-hold.c
		}
		return nil, nil
	})
	p.accepted(transport.Envelope{Type: "Busy"})
	receive(s, "the busy handler", entered)
	refused := false
	for range 4 * most {
		env := transport.Envelope{Type: "Never", TTLMs: 1}
		_, err := p.request(env)
		if outcome.CodeOf(err) == outcome.CodeOf(outcome.ErrOverloaded) {
			refused = true
			break
		}
		s.failed(err, outcome.ErrEnvelopeExpired, outcome.NotStarted)
	}
	if !refused {
		s.Errorf("%d calls wait in the line of a shard with MaxPending %d", 4*most, most)
	}
	hold.open()
	s.eventually("the shard takes calls again", func() bool {
		_, err := p.request(transport.Envelope{Type: "After"})
		return err == nil
	})
}

// testInFlight: the node's limit holds for all its shards together, and a call over it
// is refused at once.
func testInFlight(s *suite) {
	const most = 4
	p := s.pair(transport.Limits{MaxConcurrentHandlers: 1})
	hold := s.gate()
	p.limited(most, func(context.Context, transport.Envelope) ([]byte, error) { <-hold.c; return nil, nil }, 0, 1)
	p.limited(-1, echo, 2)
	for i := range most {
		p.accepted(transport.Envelope{Shard: i % 2, Type: "Fill"})
	}
	for shard := range 2 {
		for _, delivery := range []transport.Delivery{transport.AwaitReply, transport.AwaitAccept} {
			_, err := p.request(transport.Envelope{Shard: shard, Type: "Over", Delivery: delivery})
			s.failed(err, outcome.ErrOverloaded, outcome.NotStarted)
			if after, ok := outcome.RetryAfter(err); !ok || after <= 0 {
				s.Errorf("RetryAfter %v, %v", after, ok)
			}
		}
	}
	p.accepted(transport.Envelope{Shard: 2, Type: "Elsewhere"}) // another node
	hold.open()
	for range 3 * most { // what was refused, or has finished, does not count
		s.eventually("the node takes calls again", func() bool {
			_, err := p.request(transport.Envelope{Type: "After"})
			if err != nil {
				s.failed(err, outcome.ErrOverloaded, outcome.NotStarted)
			}
			return err == nil
		})
	}
}

// testInFlightNested: a limit on calls in flight bounds the calls that are admitted,
// but not the calls that those need to finish.
func testInFlightNested(s *suite) {
	p := s.pair(transport.Limits{})
	p.limited(1, func(ctx context.Context, env transport.Envelope) ([]byte, error) {
		left, err := strconv.Atoi(string(env.Data))
		if err != nil || left == 0 {
			return []byte("end"), err
		}
		return p.Client.Request(ctx, transport.Envelope{
			Shard: left % 2, Type: env.Type, Data: strconv.AppendInt(nil, int64(left-1), 10),
		})
	}, 0, 1)
	for range 3 {
		s.eventually("the node is free", func() bool { // the call before may be about to end
			reply, err := p.request(transport.Envelope{Type: "Ask", Data: []byte("20")})
			if err == nil && string(reply) != "end" {
				s.Fatalf("reply %q", reply)
			}
			return err == nil
		})
	}
}

func testMaxHandlers(s *suite) {
	const most, calls = 3, 24
	p := s.pair(transport.Limits{MaxConcurrentHandlers: most})
	hold, entered := s.gate(), make(chan struct{}, calls)
	var running, highest atomic.Int32
	h := func(context.Context, transport.Envelope) ([]byte, error) {
		n := running.Add(1)
		for old := highest.Load(); n > old && !highest.CompareAndSwap(old, n); old = highest.Load() {
		}
		entered <- struct{}{}
		<-hold.c
		running.Add(-1)
		return nil, nil
	}
	subs := []transport.Subscription{p.serve(0, h), p.serve(1, h)} // the limit is the node's
	for i := range calls {
		p.accepted(transport.Envelope{Shard: i % 2, Type: "Hold"})
	}
	for range most {
		receive(s, "a handler", entered)
	}
	hold.open()
	for _, sub := range subs {
		if err := sub.Unsubscribe(); err != nil {
			s.Error(err)
		}
	}
	if n := highest.Load(); n != most {
		s.Errorf("%d handlers ran at once, want %d", n, most)
	}
	if n := len(entered); n != calls-most {
		s.Errorf("%d handlers ran, want %d", n+most, calls)
	}
}

// A handler that waits for another handler must not hold the place that the other one
// needs.
func testNestedChain(s *suite) {
	p := s.pair(transport.Limits{MaxConcurrentHandlers: 1})
	h := func(ctx context.Context, env transport.Envelope) ([]byte, error) {
		left, err := strconv.Atoi(string(env.Data))
		if err != nil || left == 0 {
			return []byte("end"), err
		}
		return p.Client.Request(ctx, transport.Envelope{
			Shard: left % 2, Type: env.Type, Data: strconv.AppendInt(nil, int64(left-1), 10),
		})
	}
	p.serve(0, h)
	p.serve(1, h)
	p.want(transport.Envelope{Type: "Ask", Data: []byte("50")}, "end")
}

func testNestedFanOut(s *suite) {
	p := s.pair(transport.Limits{MaxConcurrentHandlers: 1})
	p.serve(1, echo)
	p.serve(0, func(ctx context.Context, _ transport.Envelope) ([]byte, error) {
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if _, err := p.Client.Request(ctx, transport.Envelope{Shard: 1, Type: "Echo"}); err != nil {
					s.Errorf("nested: %v", err)
				}
			})
		}
		all.Wait()
		return []byte("all"), nil
	})
	for range 20 {
		p.want(transport.Envelope{Type: "AskAll"}, "all")
	}
}

func testNestedCrowd(s *suite) {
	p := s.pair(transport.Limits{MaxConcurrentHandlers: 4})
	p.serve(1, echo)
	p.serve(0, func(ctx context.Context, env transport.Envelope) ([]byte, error) {
		return p.Client.Request(ctx, transport.Envelope{Shard: 1, Type: "Echo", Data: env.Data})
	})
	calls := make([]<-chan result, 200)
	for i := range calls {
		calls[i] = p.start(s.patient(), transport.Envelope{Type: "Ask", Data: []byte("x")})
	}
	for _, call := range calls {
		if r := receive(s, "a reply", call); r.err != nil || string(r.data) != "x" {
			s.Fatalf("reply %q, %v", r.data, r.err)
		}
	}
}
