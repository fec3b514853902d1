// Deadlines, cancellation, TTL, handler timeout

package transporttest

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

var deadlineTests = []test{
	{"the deadline reaches the handler", testDeadlineReaches},
	{"cancellation reaches the handler", testCancelReaches},
	{"ended before the call", testEndedBefore},
	{"cancelled in line", testCancelledInLine},
	{"deadline while the handler runs", testDeadlineWhileRunning},
	{"TTL of a waiting call", testTTLWaiting},
	{"expired before the call", testExpiredBefore},
	{"far deadlines", testFarDeadlines},
	{"handler timeout", testHandlerTimeout},
}

// slack is how much later than the caller's deadline a handler's deadline may be. A
// message carries the time that is left, and travels for a while.
const slack = 5 * time.Second

func testDeadlineReaches(s *suite) {
	p := s.pair(transport.Limits{})
	p.serve(0, func(ctx context.Context, _ transport.Envelope) ([]byte, error) {
		d, ok := ctx.Deadline()
		if !ok {
			s.Error("the handler's context has no deadline")
		}
		return d.MarshalBinary()
	})
	ctx, cancel := context.WithTimeout(s.patient(), patience/2)
	defer cancel()
	reply, err := p.Client.Request(ctx, transport.Envelope{Type: "Deadline"})
	var at time.Time
	if err == nil {
		err = at.UnmarshalBinary(reply)
	}
	if err != nil {
		s.Fatal(err)
	}
	if want, _ := ctx.Deadline(); at.After(want.Add(slack)) {
		s.Errorf("the handler's deadline is %v after the caller's", at.Sub(want))
	}
}

func testCancelReaches(s *suite) {
	p := s.pair(transport.Limits{})
	entered, ended := make(chan struct{}, 1), make(chan error, 1)
	p.serve(0, func(ctx context.Context, _ transport.Envelope) ([]byte, error) {
		entered <- struct{}{}
		<-ctx.Done()
		ended <- ctx.Err()
		return nil, ctx.Err()
	})
	ctx, cancel := context.WithCancel(s.patient())
	defer cancel()
	call := p.start(ctx, transport.Envelope{Type: "Wait"})
	receive(s, "the handler", entered)
	cancel()
	s.failed(receive(s, "the caller", call).err, context.Canceled, outcome.MaybeRan)
	if err := receive(s, "the handler's context", ended); !errors.Is(err, context.Canceled) {
		s.Errorf("the handler's context ended with %v, want %v", err, context.Canceled)
	}
}

func testEndedBefore(s *suite) {
	p := s.pair(transport.Limits{})
	var ran atomic.Int32
	sub := p.serve(0, func(context.Context, transport.Envelope) ([]byte, error) { ran.Add(1); return nil, nil })
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	expired, cancel := context.WithDeadline(context.Background(), time.Now().Add(-time.Hour))
	defer cancel()
	for _, delivery := range []transport.Delivery{transport.AwaitReply, transport.AwaitAccept, transport.AwaitNothing} {
		_, err := p.Client.Request(canceled, transport.Envelope{Type: "Never", Delivery: delivery})
		s.failed(err, context.Canceled, outcome.NotSent)
		_, err = p.Client.Request(expired, transport.Envelope{Type: "Never", Delivery: delivery})
		s.failed(err, context.DeadlineExceeded, outcome.NotSent)
	}
	if err := sub.Unsubscribe(); err != nil || ran.Load() != 0 {
		s.Errorf("%d handlers ran, %v", ran.Load(), err)
	}
}

func testCancelledInLine(s *suite) {
	p, hold, ran := s.busy()
	ctx, cancel := context.WithCancel(s.patient())
	defer cancel()
	call := p.start(ctx, transport.Envelope{Type: "Never"})
	p.accepted(transport.Envelope{Type: "Echo"}) // gives the call time to arrive; it need not
	cancel()
	// A caller far from the node may not know that its call has not started.
	s.failed(receive(s, "the caller", call).err, context.Canceled, outcome.NotSent, outcome.NotStarted, outcome.MaybeRan)
	p.accepted(transport.Envelope{Type: "Echo"}) // follows the cancellation
	hold.open()
	p.want(transport.Envelope{Type: "Echo", Data: []byte("x")}, "x")
	if ran.Load() != 0 {
		s.Error("the handler ran after its caller had gone")
	}
}

func testDeadlineWhileRunning(s *suite) {
	p := s.pair(transport.Limits{})
	hold, entered := s.gate(), make(chan struct{}, 1)
	p.serve(0, func(ctx context.Context, _ transport.Envelope) ([]byte, error) {
		entered <- struct{}{}
		<-hold.c // does not listen: the caller leaves all the same
		return nil, nil
	})
	ctx := &manual{Context: context.Background(), done: make(chan struct{})}
	call := p.start(ctx, transport.Envelope{Type: "Slow"})
	receive(s, "the handler", entered)
	ctx.expire()
	s.failed(receive(s, "the caller", call).err, context.DeadlineExceeded, outcome.MaybeRan)
	hold.open()

	short, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	again := s.gate()
	p.serve(1, func(context.Context, transport.Envelope) ([]byte, error) { <-again.c; return nil, nil })
	_, err := p.Client.Request(short, transport.Envelope{Shard: 1, Type: "Slow"})
	s.failed(err, context.DeadlineExceeded, outcome.NotSent, outcome.NotStarted, outcome.MaybeRan)
}

// manual is a context whose deadline comes when the test says so.
type manual struct {
	context.Context
	done  chan struct{}
	ended atomic.Bool
}

func (m *manual) expire()               { m.ended.Store(true); close(m.done) }
func (m *manual) Done() <-chan struct{} { return m.done }
func (m *manual) Err() error {
	if m.ended.Load() {
		return context.DeadlineExceeded
	}
	return nil
}

func testTTLWaiting(s *suite) {
	p, hold, ran := s.busy()
	for _, ttl := range []time.Duration{50 * time.Millisecond, time.Millisecond, 300 * time.Microsecond, 1} {
		env := transport.Envelope{Type: "Never"}
		transport.WithTTL(ttl)(&env)
		_, err := p.request(env)
		s.failed(err, outcome.ErrEnvelopeExpired, outcome.NotStarted)
	}
	hold.open()
	p.want(transport.Envelope{Type: "Echo", Data: []byte("x")}, "x")
	if n := ran.Load(); n != 0 {
		s.Errorf("%d handlers ran after their TTL", n)
	}
}

func testExpiredBefore(s *suite) {
	p := s.pair(transport.Limits{})
	p.serve(0, echo)
	_, err := p.request(transport.Envelope{Type: "Never", TTLMs: 5, CreatedAtMs: time.Now().UnixMilli() - 60_000})
	s.failed(err, outcome.ErrEnvelopeExpired, outcome.NotSent, outcome.NotStarted)
}

func testFarDeadlines(s *suite) {
	p := s.pair(transport.Limits{HandlerTimeout: 1<<63 - 1})
	p.serve(0, func(ctx context.Context, env transport.Envelope) ([]byte, error) { return env.Data, ctx.Err() })
	far, cancel := context.WithTimeout(context.Background(), 1<<63-1)
	defer cancel()
	env := transport.Envelope{Type: "Far", Data: []byte("x")}
	for _, ttl := range []time.Duration{0, 1<<63 - 1} {
		transport.WithTTL(ttl)(&env)
		if reply, err := p.Client.Request(far, env); err != nil || string(reply) != "x" {
			s.Errorf("TTL %v: reply %q, %v", ttl, reply, err)
		}
	}
}

func testHandlerTimeout(s *suite) {
	p := s.pair(transport.Limits{HandlerTimeout: 50 * time.Millisecond})
	ended := make(chan error, 1)
	p.serve(0, func(ctx context.Context, _ transport.Envelope) ([]byte, error) {
		if _, ok := ctx.Deadline(); !ok {
			s.Error("the handler's context has no deadline")
		}
		<-ctx.Done()
		ended <- ctx.Err()
		return []byte("late"), nil
	})
	_, err := p.request(transport.Envelope{Type: "Slow"})
	if e := s.failed(err, outcome.ErrHandlerTimeout, outcome.MaybeRan); !strings.Contains(e.Error(), "50ms") {
		s.Errorf("%q does not name the limit", e)
	}
	if err := receive(s, "the handler's context", ended); !errors.Is(err, context.DeadlineExceeded) {
		s.Errorf("the handler's context ended with %v, want %v", err, context.DeadlineExceeded)
	}
}
