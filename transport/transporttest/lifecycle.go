// Unsubscribing, closing, stuck handlers

package transporttest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

var lifecycleTests = []test{
	{"unsubscribe waits for handlers", testUnsubscribeWaits},
	{"subscribe again", testSubscribeAgain},
	{"two subscribers", testTwoSubscribers},
	{"close lets handlers finish", testCloseLetsFinish},
	{"close ends waiting requests", testCloseEndsWaiting},
	{"close is idempotent", testCloseIdempotent},
	{"close gives a stuck handler up", testCloseStuck},
	{"an end from a handler does nothing", testEndsFromAHandler},
}

// ends runs f on a goroutine that ends with it.
func ends(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	return done
}

// testEndsFromAHandler: a method that waits for handlers is refused inside a handler,
// and the shard is served as before.
func testEndsFromAHandler(s *suite) {
	p := s.pair(transport.Limits{})
	var ends []func(context.Context) error
	sub := p.serve(0, func(ctx context.Context, env transport.Envelope) ([]byte, error) {
		if env.Type != "End" {
			return []byte("done"), nil
		}
		for i, end := range ends {
			if err := end(ctx); !errors.Is(err, outcome.ErrFromHandler) {
				return nil, fmt.Errorf("end %d: %w", i, err)
			}
		}
		return []byte("refused"), nil
	})
	ends = append(ends, func(context.Context) error { return sub.Unsubscribe() }, func(context.Context) error { return p.Server.Close() })
	if sub, ok := sub.(*dispatch.Sub); ok {
		ends = append(ends, func(context.Context) error { return sub.Quiesce() }, sub.Drain, sub.Rest, sub.Drop)
	}
	p.want(transport.Envelope{Type: "End"}, "refused")
	p.want(transport.Envelope{Type: "After"}, "done")
}

func testUnsubscribeWaits(s *suite) {
	p := s.pair(transport.Limits{})
	sub, hold, call := p.held(0)
	first, second := ends(sub.Unsubscribe), ends(sub.Unsubscribe)
	p.refusing(0)
	select {
	case err := <-first:
		s.Fatalf("Unsubscribe returned (%v) while a handler was running", err)
	case err := <-second:
		s.Fatalf("the second Unsubscribe returned (%v) while a handler was running", err)
	default:
	}
	hold.open()
	if r := receive(s, "the held reply", call); r.err != nil || string(r.data) != "done" {
		s.Errorf("reply %q, %v", r.data, r.err)
	}
	for _, done := range []<-chan error{first, second, ends(sub.Unsubscribe)} {
		if err := receive(s, "Unsubscribe", done); err != nil {
			s.Error(err)
		}
	}
	_, err := p.request(transport.Envelope{Type: "After"})
	s.failed(err, outcome.ErrTransportNoShardSubscriber, outcome.NotStarted)
}

func testSubscribeAgain(s *suite) {
	p := s.pair(transport.Limits{})
	for range 10 {
		sub := p.serve(0, echo)
		p.want(transport.Envelope{Type: "Echo", Data: []byte("x")}, "x")
		if err := sub.Unsubscribe(); err != nil {
			s.Fatal(err)
		}
		_, err := p.request(transport.Envelope{Type: "Between"})
		s.failed(err, outcome.ErrTransportNoShardSubscriber, outcome.NotStarted)
	}
}

func testTwoSubscribers(s *suite) {
	const calls = 200
	p := s.pair(transport.Limits{})
	var ran [calls]atomic.Int32
	h := func(_ context.Context, env transport.Envelope) ([]byte, error) {
		ran[env.NumShards].Add(1)
		return nil, nil
	}
	first, second := p.serve(0, h), p.serve(0, h)
	for i := range calls {
		if i == calls/2 {
			if err := first.Unsubscribe(); err != nil {
				s.Fatal(err)
			}
		}
		env := transport.Envelope{Type: "Count", NumShards: uint32(i)}
		if i%2 == 0 {
			p.accepted(env)
			continue
		}
		p.want(env, "")
	}
	if err := second.Unsubscribe(); err != nil {
		s.Fatal(err)
	}
	for i := range ran {
		if n := ran[i].Load(); n != 1 {
			s.Errorf("message %d was handled %d times", i, n)
		}
	}
	_, err := p.request(transport.Envelope{Type: "After"})
	s.failed(err, outcome.ErrTransportNoShardSubscriber, outcome.NotStarted)
}

func testCloseLetsFinish(s *suite) {
	p := s.pair(transport.Limits{})
	_, hold, call := p.held(0)
	closed := ends(p.Server.Close)
	p.refusing(0)
	select {
	case err := <-closed:
		s.Fatalf("Close returned (%v) while a handler was running", err)
	default:
	}
	hold.open()
	if r := receive(s, "the held reply", call); r.err != nil || string(r.data) != "done" {
		s.Errorf("reply %q, %v", r.data, r.err)
	}
	if err := receive(s, "Close", closed); err != nil {
		s.Error(err)
	}
}

// The handler ends by its timeout. That is for pairs whose server is the client, whose
// Close waits for the handler.
func testCloseEndsWaiting(s *suite) {
	p := s.pair(transport.Limits{HandlerTimeout: 100 * time.Millisecond})
	entered := make(chan struct{}, 1)
	p.serve(0, func(ctx context.Context, _ transport.Envelope) ([]byte, error) {
		entered <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	})
	call := p.start(s.patient(), transport.Envelope{Type: "Wait"})
	receive(s, "the handler", entered)
	if err := receive(s, "Close", ends(p.Client.Close)); err != nil {
		s.Error(err)
	}
	r := receive(s, "the waiting request", call)
	if e := s.failed(r.err, nil, outcome.MaybeRan); e.Code != outcome.CodeOf(outcome.ErrTransportClosed) &&
		e.Code != outcome.CodeOf(outcome.ErrHandlerTimeout) {
		s.Errorf("a waiting request ended with %v", r.err)
	}
}

func testCloseIdempotent(s *suite) {
	p := s.pair(transport.Limits{})
	sub := p.serve(0, echo)
	p.want(transport.Envelope{Type: "Echo", Data: []byte("x")}, "x")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if err := p.Client.Close(); err != nil {
				s.Error(err)
			}
			if err := p.Server.Close(); err != nil {
				s.Error(err)
			}
		})
	}
	all.Wait()
	for _, delivery := range []transport.Delivery{transport.AwaitReply, transport.AwaitAccept, transport.AwaitNothing} {
		_, err := p.request(transport.Envelope{Type: "After", Delivery: delivery})
		s.failed(err, outcome.ErrTransportClosed, outcome.NotSent)
	}
	_, err := p.Server.SubscribeShard(s.patient(), 1, echo)
	s.failed(err, outcome.ErrTransportClosed, outcome.NotSent)
	if err := sub.Unsubscribe(); err != nil {
		s.Errorf("Unsubscribe after Close: %v", err)
	}
}

// A handler that ignores the end of its context delays a Close for some seconds: once,
// not for each shard, and not for ever.
func testCloseStuck(s *suite) {
	p := s.pair(transport.Limits{HandlerTimeout: 20 * time.Millisecond})
	hold, entered := s.gate(), make(chan struct{}, 8)
	for shard := range cap(entered) {
		p.serve(uint32(shard), func(context.Context, transport.Envelope) ([]byte, error) {
			entered <- struct{}{}
			<-hold.c
			return nil, nil
		})
		p.accepted(transport.Envelope{Shard: shard, Type: "Stuck"})
	}
	for range cap(entered) {
		receive(s, "a handler", entered)
	}
	first, second := ends(p.Server.Close), ends(p.Server.Close)
	s.failed(receive(s, "Close", first), outcome.ErrHandlerTimeout, outcome.MaybeRan)
	s.failed(receive(s, "Close", second), outcome.ErrHandlerTimeout, outcome.MaybeRan)
}
