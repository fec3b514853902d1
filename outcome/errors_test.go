package outcome

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestBuiltinCodes(t *testing.T) {
	codes, sentinels := map[string]bool{codeApplication: true, codeInternal: true}, map[error]bool{}
	word := regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)
	for _, b := range builtin {
		if codes[b.code] || sentinels[b.err] || !word.MatchString(b.code) {
			t.Errorf("code %q of %v: taken, given twice or not of the form a_b", b.code, b.err)
		}
		codes[b.code], sentinels[b.err] = true, true
		if b.outcome == Succeeded || b.outcome > RanAndFailed {
			t.Errorf("code %q: outcome %v", b.code, b.outcome)
		}
		e := Errorf(b.err, "value %d", 7)
		if e.Code != b.code || e.Outcome != b.outcome || !errors.Is(e, b.err) || !strings.HasSuffix(e.Error(), ": value 7") {
			t.Errorf("Errorf(%v): %+v", b.err, e)
		}
		far := Resolve(&Error{Code: b.code, Outcome: b.outcome, Message: "m"})
		if !errors.Is(far, b.err) || Of(far) != b.outcome || CodeOf(far) != b.code {
			t.Errorf("code %q resolves to %+v", b.code, far)
		}
		if CodeOf(b.err) != b.code || CodeOf(fmt.Errorf("op: %w", b.err)) != b.code {
			t.Errorf("CodeOf(%v) is %q, want %q", b.err, CodeOf(b.err), b.code)
		}
	}
}

func TestOutcomeOf(t *testing.T) {
	for _, c := range []struct {
		err  error
		want Outcome
	}{
		{nil, Succeeded},
		{errors.New("not ours"), MaybeRan},
		{ErrTransportClosed, NotSent},
		{fmt.Errorf("op: %w", ErrDraining), NotStarted},
		{context.DeadlineExceeded, MaybeRan},
		{context.Canceled, MaybeRan},
		{ContextError(context.Canceled, NotSent), NotSent},
		{fmt.Errorf("op: %w", Errorf(ErrDraining, "x").WithOutcome(RanAndFailed)), RanAndFailed},
	} {
		if got := Of(c.err); got != c.want {
			t.Errorf("Of(%v) is %v, want %v", c.err, got, c.want)
		}
	}
	for o, never := range map[Outcome]bool{Succeeded: false, NotSent: true, NotStarted: true, MaybeRan: false, RanAndFailed: false} {
		if o.NeverRan() != never {
			t.Errorf("%v.NeverRan() is %v", o, !never)
		}
		if strings.HasPrefix(o.String(), "outcome ") {
			t.Errorf("outcome %d has no name", o)
		}
	}
	if got := Outcome(9).String(); got != "outcome 9" {
		t.Errorf("an unknown outcome is called %q", got)
	}
}

func TestContextError(t *testing.T) {
	for _, c := range []struct{ err, is error }{
		{context.Canceled, context.Canceled},
		{context.DeadlineExceeded, context.DeadlineExceeded},
		{fmt.Errorf("mine: %w", context.Canceled), context.Canceled},
		{errors.New("a context of the caller's own kind"), context.DeadlineExceeded},
	} {
		e := ContextError(c.err, NotStarted)
		if !errors.Is(e, c.is) || e.Outcome != NotStarted || !strings.Contains(e.Error(), "not started") {
			t.Errorf("ContextError(%v): %v, code %q", c.err, e, e.Code)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	err := fmt.Errorf("op: %w", Overloaded(time.Second, "full"))
	if after, ok := RetryAfter(err); !ok || after != time.Second {
		t.Errorf("RetryAfter is %v, %v", after, ok)
	}
	for _, err := range []error{nil, ErrOverloaded, Errorf(ErrOverloaded, "x")} {
		if after, ok := RetryAfter(err); ok || after != 0 {
			t.Errorf("RetryAfter(%v) is %v, %v", err, after, ok)
		}
	}
}

func TestAnnotate(t *testing.T) {
	inner := Overloaded(time.Second, "full").WithCause(errors.New("why"))
	err := Annotate(inner, `request Deposit to key "a-1" (shard 7)`)
	if got, want := err.Error(), `request Deposit to key "a-1" (shard 7): overloaded: full`; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if e := err.(*Error); e.Code != inner.Code || e.Outcome != inner.Outcome || e.RetryAfter != inner.RetryAfter || e.Causes[0] != inner.Causes[0] {
		t.Errorf("Annotate has changed more than the words: %+v", e)
	}
	if inner.Op != "" {
		t.Error("Annotate has changed the error that it was given")
	}
	foreign := errors.New("not ours")
	err = Annotate(foreign, "op")
	if !errors.Is(err, foreign) || CodeOf(err) != codeInternal || Of(err) != MaybeRan || err.Error() != "op: not ours" {
		t.Errorf("Annotate(%v): %v, code %q, %v", foreign, err, CodeOf(err), Of(err))
	}
	err = Annotate(fmt.Errorf("mine: %w", ErrDraining), "op")
	if !errors.Is(err, ErrDraining) || CodeOf(err) != "draining" || Of(err) != NotStarted {
		t.Errorf("a sentinel in an error that is not ours: code %q, %v", CodeOf(err), Of(err))
	}
}

func TestErrorTree(t *testing.T) {
	cause := errors.New("disk full")
	e := Errorf(ErrActivationFailed, "key %q", "a").WithCause(fmt.Errorf("load: %w", context.DeadlineExceeded))
	if !errors.Is(e, ErrActivationFailed) || !errors.Is(e, context.DeadlineExceeded) || errors.Is(e, cause) {
		t.Errorf("%v finds the wrong errors", e)
	}
	if e.Causes[0].Outcome != e.Outcome {
		t.Errorf("a cause with outcome %v behind %v", e.Causes[0].Outcome, e.Outcome)
	}
	if !errors.Is(e, &Error{Code: "activation_failed"}) || errors.Is(e, &Error{Code: "draining"}) {
		t.Error("an *Error with nothing but a code stands for the code")
	}
	if len((&Error{}).Unwrap()) != 0 || len((&Error{Causes: []*Error{e}}).Unwrap()) != 1 {
		t.Error("Unwrap returns nil errors")
	}
	if got := (&Error{Code: "c"}).Error(); got != "c" {
		t.Errorf("an error without a message says %q", got)
	}
}
