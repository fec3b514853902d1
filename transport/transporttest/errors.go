// Identity of errors, panics, Goexit

package transporttest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

var errorTests = []test{
	{"handlers' errors", testHandlerErrors},
	{"a nested refusal passed on", testNestedRefusal},
	{"errors whose methods panic", testBrokenErrors},
	{"panic", testPanic},
	{"goexit", testGoexit},
}

// errRegistered and limitError are errors that an application has registered. errPlain
// is not registered.
var (
	errRegistered = errors.New("transporttest: registered")
	errPlain      = errors.New("transporttest: not registered")
)

type limitError struct {
	Limit int
	Unit  string
}

func (e *limitError) Error() string { return fmt.Sprintf("over the limit of %d %s", e.Limit, e.Unit) }

type valueError struct{ Reason string }

func (e valueError) Error() string { return e.Reason }

func init() {
	outcome.RegisterError("transporttest.registered", errRegistered)
	outcome.RegisterErrorType[*limitError]("transporttest.limit")
	outcome.RegisterErrorType[valueError]("transporttest.value")
}

func testHandlerErrors(s *suite) {
	p := s.pair(transport.Limits{})
	cases := []struct {
		name, code string
		err        error
		holds      func(error) bool
	}{
		{"sentinel", "transporttest.registered", errRegistered, isRegistered},
		{"wrapped sentinel", "transporttest.registered", fmt.Errorf("deposit: %w", errRegistered), isRegistered},
		{"joined sentinel", "transporttest.registered", errors.Join(errPlain, errRegistered), isRegistered},
		{"typed", "transporttest.limit", &limitError{5, "EUR"}, hasLimit},
		{"wrapped typed", "transporttest.limit", fmt.Errorf("deposit: %w", &limitError{5, "EUR"}), hasLimit},
		{"joined typed", "transporttest.limit", errors.Join(errPlain, fmt.Errorf("deposit: %w", &limitError{5, "EUR"})), hasLimit},
		{"typed value", "transporttest.value", valueError{"why"}, func(err error) bool {
			v, ok := errors.AsType[valueError](err)
			return ok && v.Reason == "why"
		}},
		{"context", "deadline", fmt.Errorf("store: %w", context.DeadlineExceeded), func(err error) bool {
			return errors.Is(err, context.DeadlineExceeded)
		}},
		{"unregistered", "application", fmt.Errorf("deposit: %w", errPlain), func(err error) bool { return !errors.Is(err, errRegistered) }},
		{"no text", "application", errors.New(""), func(error) bool { return true }},
	}
	p.serve(0, func(_ context.Context, env transport.Envelope) ([]byte, error) {
		for _, c := range cases {
			if c.name == env.Type {
				return []byte("dropped"), c.err
			}
		}
		return nil, nil
	})
	for _, c := range cases {
		reply, err := p.request(transport.Envelope{Type: c.name})
		e := s.failed(err, nil, outcome.RanAndFailed)
		if reply != nil || e.Code != c.code || e.Message != c.err.Error() || !c.holds(err) {
			s.Errorf("%s: reply %q, code %q, text %q, errors.Is or As %v", c.name, reply, e.Code, e.Message, c.holds(err))
		}
	}
}

func isRegistered(err error) bool { return errors.Is(err, errRegistered) }

func hasLimit(err error) bool {
	e, ok := errors.AsType[*limitError](err)
	return ok && *e == limitError{5, "EUR"}
}

// A handler that returns the refusal of a call of its own has run. Its caller must not
// think that repeating is safe.
func testNestedRefusal(s *suite) {
	p := s.pair(transport.Limits{})
	p.serve(0, func(ctx context.Context, _ transport.Envelope) ([]byte, error) {
		_, err := p.Client.Request(ctx, transport.Envelope{Shard: 9, Type: "Nobody"})
		if !outcome.Of(err).NeverRan() {
			s.Errorf("nested call: %v, outcome %v", err, outcome.Of(err))
		}
		return nil, fmt.Errorf("asking: %w", err)
	})
	_, err := p.request(transport.Envelope{Type: "Ask"})
	s.failed(err, outcome.ErrTransportNoShardSubscriber, outcome.RanAndFailed)
}

// A nil pointer in an error is a common mistake. It must not take the node down.
func testBrokenErrors(s *suite) {
	p := s.pair(transport.Limits{})
	p.serve(0, func(_ context.Context, env transport.Envelope) ([]byte, error) {
		if env.Type == "Broken" {
			var none *limitError
			return nil, none
		}
		return env.Data, nil
	})
	_, err := p.request(transport.Envelope{Type: "Broken"})
	s.failed(err, nil, outcome.RanAndFailed)
	if e, ok := errors.AsType[*limitError](err); ok && e == nil {
		s.Error("the caller gets a nil pointer as well")
	}
	p.want(transport.Envelope{Type: "Echo", Data: []byte("x")}, "x")
}

func testPanic(s *suite) {
	const secret = "payload-5005"
	p := s.pair(transport.Limits{MaxConcurrentHandlers: 2})
	p.serve(0, func(_ context.Context, env transport.Envelope) ([]byte, error) {
		switch env.Type {
		case "Panic":
			panic(secret)
		case "PanicNil":
			panic(nil)
		}
		return env.Data, nil
	})
	for range 5 { // more often than there are places for handlers
		for _, name := range []string{"Panic", "PanicNil"} {
			_, err := p.request(transport.Envelope{Type: name})
			s.failed(err, outcome.ErrPanicked, outcome.MaybeRan)
			if text := err.Error(); strings.Contains(text, secret) || strings.Contains(text, ".go:") || strings.Contains(text, "goroutine") {
				s.Errorf("the caller is told %q", text)
			}
		}
		p.accepted(transport.Envelope{Type: "Panic"})
		p.want(transport.Envelope{Type: "Echo", Data: []byte("x")}, "x")
	}
}

func testGoexit(s *suite) {
	p := s.pair(transport.Limits{MaxConcurrentHandlers: 2})
	p.serve(0, func(_ context.Context, env transport.Envelope) ([]byte, error) {
		if env.Type == "Exit" {
			runtime.Goexit() // as t.FailNow does in a handler
		}
		return env.Data, nil
	})
	for range 5 {
		_, err := p.request(transport.Envelope{Type: "Exit"})
		s.failed(err, outcome.ErrPanicked, outcome.MaybeRan)
		p.want(transport.Envelope{Type: "Echo", Data: []byte("x")}, "x")
	}
}
