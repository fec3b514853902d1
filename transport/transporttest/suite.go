// What the suite's tests are written with

package transporttest

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clstr-go/clstr/outcome"
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
func (s *suite) failed(err, is error, outcomes ...outcome.Outcome) *outcome.Error {
	s.Helper()
	e, ok := errors.AsType[*outcome.Error](err)
	if !ok {
		s.Fatalf("error %v (%T): want a *outcome.Error", err, err)
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

// busy is a pair whose one place for a handler is taken until the gate opens.
// Every handler but the first counts its message in ran.
func (s *suite) busy() (p pair, hold *gate, ran *atomic.Int32) {
	s.Helper()
	p = s.pair(transport.Limits{MaxConcurrentHandlers: 1})
	hold, ran = s.gate(), new(atomic.Int32)
	entered := make(chan struct{}, 1)
	p.serve(0, func(_ context.Context, env transport.Envelope) ([]byte, error) {
		switch env.Type {
		case "Busy":
			entered <- struct{}{}
			<-hold.c
		case "Never":
			ran.Add(1)
		}
		return env.Data, nil
	})
	p.accepted(transport.Envelope{Type: "Busy"})
	receive(s, "the busy handler", entered)
	return p, hold, ran
}

// busyLife is a pair that is used in every way and closed.
func (s *suite) busyLife(t *testing.T) {
	inner := &suite{T: t, h: s.h}
	p := inner.pair(transport.Limits{HandlerTimeout: 50 * time.Millisecond})
	p.serve(0, func(ctx context.Context, env transport.Envelope) ([]byte, error) {
		switch env.Type {
		case "Wait":
			<-ctx.Done()
		case "Exit":
			runtime.Goexit()
		}
		return env.Data, ctx.Err()
	})
	var calls []<-chan result
	for i := range 100 {
		ctx, cancel := context.WithCancel(inner.patient())
		switch i % 4 {
		case 0:
			calls = append(calls, p.start(ctx, transport.Envelope{Type: "Echo", TTLMs: 10_000}))
		case 1:
			calls = append(calls, p.start(ctx, transport.Envelope{Type: "Exit"}))
		case 2:
			calls = append(calls, p.start(ctx, transport.Envelope{Type: "Wait"}))
		case 3:
			cancel() // at any point of the call's way
			calls = append(calls, p.start(ctx, transport.Envelope{Type: "Wait"}))
		}
		t.Cleanup(cancel)
	}
	for _, call := range calls {
		receive(inner, "an outcome", call)
	}
	if err := p.Client.Close(); err != nil {
		t.Error(err)
	}
	if err := p.Server.Close(); err != nil {
		t.Error(err)
	}
	_, err := p.request(transport.Envelope{Type: "After"})
	inner.failed(err, outcome.ErrTransportClosed, outcome.NotSent)
}
