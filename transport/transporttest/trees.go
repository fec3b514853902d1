// Several errors joined, over the bounds, and those that panic where they are decoded

package transporttest

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/clstr-go/clstr/internal/bounds"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

var treeTests = []test{
	{"all errors of a tree", testErrorTree},
	{"a tree over the bounds", testErrorTreeBounds},
	{"errors whose decoding panics", testBrokenDecoding},
}

var (
	errSecond   = errors.New("transporttest: second")
	errLongCode = errors.New("transporttest: an error with a long code")
)

// wrapping is a typed error with another one in it, which its JSON leaves out.
type wrapping struct {
	Step  string
	Cause error `json:"-"`
}

func (e *wrapping) Error() string { return e.Step + ": " + e.Cause.Error() }
func (e *wrapping) Unwrap() error { return e.Cause }

// explosive is a typed error that travels well and panics where it arrives.
type explosive struct{ Text string }

func (e *explosive) Error() string { return e.Text }

// UnmarshalJSON implements json.Unmarshaler.
func (*explosive) UnmarshalJSON([]byte) error { panic("payload-4242") }

func init() {
	outcome.RegisterError("transporttest.second", errSecond)
	outcome.RegisterError("transporttest."+strings.Repeat("c", bounds.MaxErrorBytes/8), errLongCode)
	outcome.RegisterErrorType[*wrapping]("transporttest.wrapping")
	outcome.RegisterErrorType[*explosive]("transporttest.explosive")
}

func testErrorTree(s *suite) {
	p := s.pair(transport.Limits{})
	limit := &limitError{5, "EUR"}
	isBoth := func(err error) bool { return isRegistered(err) && errors.Is(err, errSecond) }
	cases := []struct {
		name, code string
		err        error
		holds      func(error) bool
	}{
		{"joined", "transporttest.registered", errors.Join(errRegistered, errSecond), isBoth},
		{"joined, turned", "transporttest.second", errors.Join(errSecond, errRegistered), isBoth},
		{"two verbs", "transporttest.registered", fmt.Errorf("%w: %w", errRegistered, errSecond), isBoth},
		{"joined below", "transporttest.registered", fmt.Errorf("op: %w", errors.Join(errPlain, errors.Join(errRegistered, fmt.Errorf("x: %w", errSecond)))), isBoth},
		{"sentinel and type", "transporttest.registered", errors.Join(errRegistered, limit), func(err error) bool { return isRegistered(err) && hasLimit(err) }},
		{"two types", "transporttest.limit", errors.Join(limit, valueError{"why"}), func(err error) bool {
			v, ok := errors.AsType[valueError](err)
			return hasLimit(err) && ok && v.Reason == "why"
		}},
		{"below a type", "transporttest.wrapping", &wrapping{"load", errors.Join(errSecond, limit)}, func(err error) bool {
			v, ok := errors.AsType[*wrapping](err)
			return ok && v.Step == "load" && errors.Is(err, errSecond) && hasLimit(err)
		}},
		{"another call's and ours", "no_subscriber", errors.Join(outcome.Errorf(outcome.ErrTransportNoShardSubscriber, "x"), errSecond), func(err error) bool {
			return errors.Is(err, outcome.ErrTransportNoShardSubscriber) && errors.Is(err, errSecond)
		}},
		{"behind another call's", "activation_failed", outcome.Errorf(outcome.ErrActivationFailed, "x").WithCause(errors.Join(errRegistered, errSecond)), isBoth},
	}
	p.serve(0, func(_ context.Context, env transport.Envelope) ([]byte, error) {
		for _, c := range cases {
			if c.name == env.Type {
				return nil, c.err
			}
		}
		return nil, nil
	})
	for _, c := range cases {
		_, err := p.request(transport.Envelope{Type: c.name})
		e := s.failed(err, nil, outcome.RanAndFailed)
		if e.Code != c.code || e.Message != c.err.Error() || !c.holds(err) {
			s.Errorf("%s: code %q, text %q, errors.Is and As %v", c.name, e.Code, e.Message, c.holds(err))
		}
		if e.Cut {
			s.Errorf("%s: marked as cut: %+v", c.name, e)
		}
	}
}

// What is over the bounds is left out, and the error says so; what acts on it, code
// and outcome, stays.
func testErrorTreeBounds(s *suite) {
	p := s.pair(transport.Limits{})
	many, codes := []error{errSecond}, []error{errSecond}
	for i := range 2 * bounds.MaxErrorNodes {
		many = append(many, valueError{fmt.Sprint("reason ", i)})
		codes = append(codes, errLongCode)
	}
	var deep error = errRegistered
	for range 2 * bounds.MaxErrorDepth {
		deep = &wrapping{"step", deep}
	}
	errs := map[string]error{
		"many": errors.Join(many...), "deep": errors.Join(errSecond, deep),
		"long":   fmt.Errorf("%s: %w", strings.Repeat("e", 2*bounds.MaxErrorBytes), errSecond),
		"detail": errors.Join(errSecond, valueError{strings.Repeat("d", 2*bounds.MaxErrorBytes)}),
		"codes":  errors.Join(codes...),
		"loop":   errors.Join(errSecond, newLoop()),
	}
	p.serve(0, func(_ context.Context, env transport.Envelope) ([]byte, error) { return nil, errs[env.Type] })
	for name := range errs {
		_, err := p.request(transport.Envelope{Type: name})
		e := s.failed(err, errSecond, outcome.RanAndFailed)
		nodes, depth, size := measureTree(e, 1)
		if !e.Cut || nodes > bounds.MaxErrorNodes || depth > bounds.MaxErrorDepth || size > bounds.MaxErrorBytes {
			s.Errorf("%s: cut %v, %d errors, %d deep, %d bytes", name, e.Cut, nodes, depth, size)
		}
		if name == "deep" && isRegistered(err) {
			s.Error("deep: what is too deep has come along")
		}
	}
}

// loop is an error that leads back to itself.
type loop struct{ next error }

func newLoop() error {
	l := &loop{}
	l.next = errors.Join(l, l)
	return l
}

func (*loop) Error() string   { return "loop" }
func (l *loop) Unwrap() error { return l.next }

func measureTree(e *outcome.Error, at int) (nodes, depth, size int) {
	nodes, depth, size = 1, at, len(e.Code)+len(e.Message)+len(e.Detail)
	for _, c := range e.Causes {
		n, d, b := measureTree(c, at+1)
		nodes, depth, size = nodes+n, max(depth, d), size+b
	}
	return nodes, depth, size
}

// A caller that cannot decode an error lives on, and gets what else is known of it.
func testBrokenDecoding(s *suite) {
	p := s.pair(transport.Limits{})
	p.serve(0, func(_ context.Context, env transport.Envelope) ([]byte, error) {
		switch env.Type {
		case "Alone":
			return nil, &explosive{"boom"}
		case "Joined":
			return nil, errors.Join(&explosive{"boom"}, errSecond)
		case "Behind":
			return nil, outcome.Errorf(outcome.ErrActivationFailed, "x").WithCause(&explosive{"boom"})
		}
		return env.Data, nil
	})
	for name, code := range map[string]string{"Alone": "transporttest.explosive", "Joined": "transporttest.explosive", "Behind": "activation_failed"} {
		_, err := p.request(transport.Envelope{Type: name})
		e := s.failed(err, nil, outcome.RanAndFailed)
		if e.Code != code || !strings.Contains(e.Message, "boom") && name != "Behind" || strings.Contains(e.Error(), "4242") {
			s.Errorf("%s: %v, code %q", name, err, e.Code)
		}
		if name == "Joined" && !errors.Is(err, errSecond) {
			s.Errorf("%s: %v has lost the other error", name, err)
		}
		if _, ok := errors.AsType[*explosive](err); ok {
			s.Errorf("%s: there is a value that could not be decoded", name)
		}
	}
	p.want(transport.Envelope{Type: "Echo", Data: []byte("x")}, "x")
}
