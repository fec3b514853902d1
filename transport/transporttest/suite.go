// What the suite's tests are written with

package transporttest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/clstr-go/clstr/transport"
)

// patience bounds every wait of the suite. A test that passes never uses it up:
// calls that must end at once are made with it and must end before it.
const patience = 30 * time.Second

// suite is one running test.
type suite struct {
	*testing.T
	h Harness
}

// pair is a Pair that ends with its test.
type pair struct {
	Pair
	s *suite
}

// pair makes a connected pair.
func (s *suite) pair(limits transport.Limits) pair {
	s.Helper()
	p := s.h.New(s, limits)
	s.Cleanup(func() {
		_ = p.Client.Close() // lifecycle tests look at the errors
		_ = p.Server.Close()
	})
	return pair{p, s}
}

// serve subscribes a shard.
func (p pair) serve(shard uint32, h transport.HandlerFunc) transport.Subscription {
	p.s.Helper()
	sub, err := p.Server.SubscribeShard(p.s.patient(), shard, h)
	if err != nil {
		p.s.Fatalf("SubscribeShard(%d): %v", shard, err)
	}
	return sub
}

// request sends env and requires that the outcome came by itself.
func (p pair) request(env transport.Envelope) ([]byte, error) {
	p.s.Helper()
	ctx := p.s.patient()
	reply, err := p.Client.Request(ctx, env)
	if ctx.Err() != nil {
		p.s.Fatalf("%s: waited for %v: %v", env.Type, patience, err)
	}
	return reply, err
}

// want sends env and requires the reply.
func (p pair) want(env transport.Envelope, reply string) {
	p.s.Helper()
	got, err := p.request(env)
	if err != nil || string(got) != reply {
		p.s.Fatalf("%s: reply %q, %v; want %q", env.Type, got, err, reply)
	}
}

// accepted sends env as a notification and requires that it is accepted.
func (p pair) accepted(env transport.Envelope) {
	p.s.Helper()
	env.Delivery = transport.AwaitAccept
	if _, err := p.request(env); err != nil {
		p.s.Fatalf("%s was not accepted: %v", env.Type, err)
	}
}

// result is what a request returned.
type result struct {
	data []byte
	err  error
}

// start sends env on a goroutine that ends with the request, which ctx bounds.
func (p pair) start(ctx context.Context, env transport.Envelope) <-chan result {
	done := make(chan result, 1)
	go func() {
		data, err := p.Client.Request(ctx, env)
		done <- result{data, err}
	}()
	return done
}

// patient is a context that only a failing test sees the end of.
func (s *suite) patient() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	s.Cleanup(cancel)
	return ctx
}

// echo is the handler that returns what it is sent.
func echo(_ context.Context, env transport.Envelope) ([]byte, error) { return env.Data, nil }

// receive waits for a value.
func receive[T any](s *suite, what string, c <-chan T) T {
	s.Helper()
	giveUp := time.NewTimer(patience)
	defer giveUp.Stop()
	select {
	case v := <-c:
		return v
	case <-giveUp.C:
		s.Fatalf("%s: nothing within %v", what, patience)
		panic("unreachable")
	}
}

// eventually asks again and again until ok.
func (s *suite) eventually(what string, ok func() bool) {
	s.Helper()
	giveUp := time.NewTimer(patience)
	defer giveUp.Stop()
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for !ok() {
		select {
		case <-again.C:
		case <-giveUp.C:
			s.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// gate holds handlers back. It opens with the end of the test at the latest, so
// that a failing test does not wait for them.
type gate struct {
	c    chan struct{}
	once sync.Once
}

func (s *suite) gate() *gate {
	g := &gate{c: make(chan struct{})}
	s.Cleanup(g.open)
	return g
}

func (g *gate) open() { g.once.Do(func() { close(g.c) }) }

// failed requires that err is an *Error that matches a sentinel and says what is
// known about the work.
func (s *suite) failed(err, is error, outcomes ...transport.Outcome) *transport.Error {
	s.Helper()
	e, ok := errors.AsType[*transport.Error](err)
	if !ok {
		s.Fatalf("error %v (%T): want a *transport.Error", err, err)
	}
	if is != nil && !errors.Is(err, is) {
		s.Fatalf("error %v (code %q): want %v", err, e.Code, is)
	}
	for _, o := range outcomes {
		if e.Outcome == o {
			return e
		}
	}
	s.Fatalf("error %v: outcome %v, want one of %v", err, e.Outcome, outcomes)
	return nil
}
