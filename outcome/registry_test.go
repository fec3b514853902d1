package outcome

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
)

var errInsufficient = errors.New("insufficient funds")

type shortBy struct{ Cents int }

func (e *shortBy) Error() string { return fmt.Sprintf("short by %d", e.Cents) }

type valued struct{ Why string }

func (e valued) Error() string { return e.Why }

// uncomparable cannot be a key of a map.
type uncomparable struct{ parts []string }

func (e uncomparable) Error() string { return strings.Join(e.parts, ",") }

func init() {
	RegisterError("test.insufficient", errInsufficient)
	RegisterErrorType[*shortBy]("test.short_by")
	RegisterErrorType[valued]("test.valued")
}

// panics returns what f panics with, as text.
func panics(f func()) (text string) {
	defer func() {
		if v := recover(); v != nil {
			text = fmt.Sprint(v)
		}
	}()
	f()
	return ""
}

// lossy would arrive without its field, undecodable not at all.
type (
	lossy       struct{ by int }
	undecodable struct{ Cause error }
)

func (l lossy) Error() string     { return fmt.Sprint("lossy ", l.by) }
func (undecodable) Error() string { return "undecodable" }

func TestRegisterRefuses(t *testing.T) {
	RegisterError("test.insufficient", errInsufficient) // twice the same is no mistake
	RegisterErrorType[*shortBy]("test.short_by")
	for what, f := range map[string]func(){
		"empty":                       func() { RegisterError("", errors.New("x")) },
		"taken":                       func() { RegisterError("test.insufficient", errors.New("other")) },
		"taken ":                      func() { RegisterErrorType[uncomparable]("draining") },
		"empty ":                      func() { RegisterErrorType[uncomparable]("") },
		"unexported fields only (by)": func() { RegisterErrorType[lossy]("test.lossy") },
		"Cause is a error":            func() { RegisterErrorType[undecodable]("test.undecodable") },
		"comparable":                  func() { RegisterError("test.nil", nil) },
		"comparable error, not outcome.uncomparable": func() { RegisterError("test.slice", uncomparable{}) },
	} {
		if text := panics(f); !strings.Contains(text, strings.TrimSpace(what)) {
			t.Errorf("panics with %q, want %q in it", text, what)
		}
	}
}

// far is what the caller sees of a handler's error: what a wire carries of it.
func far(err error) *Error {
	e := HandlerError(err)
	return Resolve(&Error{Code: e.Code, Outcome: e.Outcome, Message: e.Message, Detail: e.Detail, Causes: e.Causes, Cut: e.Cut})
}

// TestErrorsWithTextThatIsNoUTF8: a typed error whose text JSON would change in silence
// arrives without its fields, as one that does not encode, and says so.
func TestErrorsWithTextThatIsNoUTF8(t *testing.T) {
	for text, whole := range map[string]bool{"a\xffb": false, "a\ufffdb": true} {
		err := errors.Join(valued{text}, fmt.Errorf("and %w", errInsufficient))
		for side, e := range map[string]*Error{"near": HandlerError(err), "far": far(err)} {
			v, ok := errors.AsType[valued](e)
			if e.Code != "test.valued" || e.Cut == whole || ok != whole || whole && v.Why != text || !errors.Is(e, errInsufficient) {
				t.Errorf("%s of %q: %+v, cut %v, detail %s", side, text, v, e.Cut, e.Detail)
			}
		}
	}
}

func TestHandlerErrors(t *testing.T) {
	plain := errors.New("plain")
	for _, c := range []struct {
		err  error
		code string
	}{
		{errInsufficient, "test.insufficient"},
		{fmt.Errorf("op: %w", errInsufficient), "test.insufficient"},
		{errors.Join(plain, errInsufficient), "test.insufficient"},
		{fmt.Errorf("%w and %w", plain, fmt.Errorf("op: %w", errInsufficient)), "test.insufficient"},
		{errors.Join(uncomparable{[]string{"a"}}, errInsufficient), "test.insufficient"},
		{fmt.Errorf("op: %w", &shortBy{5}), "test.short_by"},
		{valued{"why"}, "test.valued"},
		{Errorf(ErrDraining, "nested"), "draining"},
		{fmt.Errorf("op: %w", &Error{Code: "theirs", Message: "unknown here"}), "theirs"},
		{plain, codeApplication},
		{uncomparable{[]string{"a", "b"}}, codeApplication},
	} {
		for side, e := range map[string]*Error{"near": HandlerError(c.err), "far": far(c.err)} {
			if e.Code != c.code || e.Outcome != RanAndFailed || e.Message != c.err.Error() {
				t.Errorf("%v, %s: code %q, %v, %q", c.err, side, e.Code, e.Outcome, e.Message)
			}
			if c.code == "test.insufficient" && !errors.Is(e, errInsufficient) {
				t.Errorf("%v, %s: errors.Is does not hold", c.err, side)
			}
			if v, ok := errors.AsType[*shortBy](e); ok != (c.code == "test.short_by") || ok && v.Cents != 5 {
				t.Errorf("%v, %s: errors.As finds %v", c.err, side, v)
			}
			if v, ok := errors.AsType[valued](e); ok != (c.code == "test.valued") || ok && v.Why != "why" {
				t.Errorf("%v, %s: errors.As finds %v", c.err, side, v)
			}
		}
	}
}

// hostile panics wherever it is asked.
type hostile struct{ in string }

func (h hostile) Error() string {
	if h.in == "Error" {
		panic("secret")
	}
	return "hostile"
}

func (h hostile) Unwrap() error {
	if h.in == "Unwrap" {
		panic("secret")
	}
	return nil
}

func TestErrorsWhoseMethodsPanic(t *testing.T) {
	var none *shortBy
	for _, err := range []error{hostile{"Error"}, hostile{"Unwrap"}, none} {
		e := HandlerError(err)
		if e.Outcome != RanAndFailed || strings.Contains(e.Error(), "secret") {
			t.Errorf("%T: %v, outcome %v", err, e, e.Outcome)
		}
		if v, ok := errors.AsType[*shortBy](far(err)); ok && v == nil {
			t.Errorf("%T: the caller finds a nil pointer", err)
		}
	}
}

func TestResolve(t *testing.T) {
	unknown := Resolve(&Error{Code: "from.tomorrow", Outcome: NotStarted, Message: "m"})
	if unknown.Code != "from.tomorrow" || unknown.Outcome != NotStarted || unknown.Error() != "m" || unknown.Unwrap() != nil {
		t.Errorf("an unknown code becomes %+v", unknown)
	}
	for _, o := range []Outcome{Succeeded, RanAndFailed + 1, 255} {
		if e := Resolve(&Error{Code: "draining", Outcome: o}); e.Outcome != MaybeRan {
			t.Errorf("outcome %d becomes %v: what cannot be means that nothing is known", o, e.Outcome)
		}
	}
	for _, detail := range []string{"", "null", "{", "[]", `{"Cents":"x"}`} {
		e := Resolve(&Error{Code: "test.short_by", Outcome: RanAndFailed, Message: "m", Detail: []byte(detail)})
		if v, ok := errors.AsType[*shortBy](e); ok || e.Error() != "m" {
			t.Errorf("detail %q: errors.As finds %v", detail, v)
		}
	}
	nested := Resolve(&Error{Code: "activation_failed", Outcome: NotStarted, Causes: []*Error{{Code: "test.insufficient", Outcome: 77}}})
	if !errors.Is(nested, errInsufficient) || nested.Causes[0].Outcome != MaybeRan {
		t.Errorf("a cause becomes %+v", nested.Causes[0])
	}
}

// registers is an error that registers another when it is looked into: code of an
// application's runs under no lock of the registry.
type registers struct {
	code string
	next error
}

func (registers) Error() string { return "registers" }

func (r registers) Unwrap() error {
	RegisterError(r.code, r.next)
	return r.next
}

// meanwhile counts the runs of the test below: a code is taken for good, so that each
// run registers one of its own.
var meanwhile atomic.Int32

func TestErrorsAreLookedIntoUnderNoLock(t *testing.T) {
	next := errors.New("next")
	code := fmt.Sprintf("test.registered_meanwhile_%d", meanwhile.Add(1))
	e := HandlerError(registers{code, next})
	if e.Code != codeApplication { // it was not registered when the handler had returned
		t.Errorf("code %q", e.Code)
	}
	if again := far(next); again.Code != code || !errors.Is(again, next) {
		t.Errorf("code %q, %v", again.Code, again)
	}
}
