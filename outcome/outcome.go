// Outcome, Error, and the funcs that read them from any error

package outcome

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/clstr-go/clstr/internal/bounds"
)

// Outcome says what is known about the work of a call that failed.
type Outcome uint8

const (
	// Succeeded is the outcome of a nil error.
	Succeeded Outcome = iota
	// NotSent: the message did not leave this process. It never ran.
	NotSent
	// NotStarted: the message was refused before its handler started. It never
	// ran.
	NotStarted
	// MaybeRan: the handler may have run, in part or to its end. Only the
	// application can tell whether to try again.
	MaybeRan
	// RanAndFailed: the handler ran to its end and returned an error, or a
	// reply that cannot be used.
	RanAndFailed
)

var outcomeNames = [...]string{"succeeded", "not sent", "not started", "maybe ran", "ran and failed"}

// String returns the outcome in words.
func (o Outcome) String() string {
	if int(o) < len(outcomeNames) {
		return outcomeNames[o]
	}
	return fmt.Sprintf("outcome %d", uint8(o))
}

// NeverRan reports whether the call can be repeated without doing its work
// twice.
func (o Outcome) NeverRan() bool { return o == NotSent || o == NotStarted }

// Of returns what err says about the work. An error that this library
// did not make counts as MaybeRan: nothing is known about it.
func Of(err error) Outcome {
	if err == nil {
		return Succeeded
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Outcome
	}
	for _, b := range builtin {
		if b.err != context.DeadlineExceeded && b.err != context.Canceled && errors.Is(err, b.err) {
			return b.outcome
		}
	}
	return MaybeRan
}

// CodeOf returns the stable code of err, "" for nil and "internal" for an error
// that this library did not make.
func CodeOf(err error) string {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	if e := HandlerError(err); e.Code != codeApplication {
		return e.Code
	}
	return codeInternal
}

// RetryAfter returns the pause that a refusal asks for before the next try, and
// whether it asks for one.
func RetryAfter(err error) (time.Duration, bool) {
	if e, ok := errors.AsType[*Error](err); ok && e.RetryAfter > 0 {
		return e.RetryAfter, true
	}
	return 0, false
}

// Error is what every failed call returns: a stable code, an outcome and a
// message. errors.Is finds the sentinel that the code stands for, errors.As the
// typed error that an application registered.
type Error struct {
	// Code is stable and travels on the wire.
	Code string
	// Outcome says what is known about the work.
	Outcome Outcome
	// Message is for people: it names the bad value and what is allowed.
	Message string
	// Op is what the caller was doing, for example `request Deposit to key
	// "a-1" (shard 7)`; empty on the node's side.
	Op string
	// RetryAfter is a hint; zero is none.
	RetryAfter time.Duration
	// Detail is a registered typed error, encoded as JSON; nil is none.
	Detail []byte
	// Causes are the registered errors behind this one, for example the error of a failed
	// activation, and the errors that were joined with it. errors.Is and
	// errors.As find them all.
	Causes []*Error
	// Cut says that a part was left out, because the error was over a bound
	// (32 errors, 8 deep, 64 KiB of codes, texts and encoded errors), does not encode, or has text
	// that JSON would change.
	Cut bool

	is   error // what errors.Is and errors.As find; nil for an unknown code
	near error // the same in this process only; nil is none
}

// Error returns what the caller was doing, and then the message.
func (e *Error) Error() string {
	msg := e.Message
	if msg == "" {
		msg = e.Code
	}
	if e.Op == "" {
		return msg
	}
	return e.Op + ": " + msg
}

// Unwrap returns the sentinel or typed error that the code stands for, what e wraps in
// this process, and the causes.
func (e *Error) Unwrap() []error {
	var all []error
	for _, err := range []error{e.is, e.near} {
		if err != nil {
			all = append(all, err)
		}
	}
	return append(all, e.below()...)
}

// Sentinel returns the sentinel or typed error that the code stands for, nil for a code
// that this process does not know.
func (e *Error) Sentinel() error { return e.is }

// Is also matches another *Error with the same code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code && t.Message == "" && t.Op == ""
}

// Errorf makes the error of one of this package's sentinels, with its code and
// outcome; the sentinel's text stands before the formatted message.
func Errorf(sentinel error, format string, args ...any) *Error {
	e := New(sentinel)
	e.Message = sentinel.Error() + ": " + fmt.Sprintf(format, args...)
	return e
}

// Overloaded makes an ErrOverloaded with a hint when to try again.
func Overloaded(after time.Duration, format string, args ...any) *Error {
	e := Errorf(ErrOverloaded, format, args...)
	e.RetryAfter = after
	return e
}

// New makes the error of one of this package's sentinels, with its code and outcome.
func New(sentinel error) *Error {
	for i := range builtin {
		if b := &builtin[i]; b.err == sentinel {
			return &Error{Code: b.code, Outcome: b.outcome, Message: sentinel.Error(), is: sentinel}
		}
	}
	return &Error{Code: codeInternal, Outcome: MaybeRan, Message: sentinel.Error(), is: sentinel}
}

// WithCause returns a copy of e with the error behind it, as a caller may see
// that: its codes and text.
func (e *Error) WithCause(cause error) *Error {
	c := *e
	behind := grow(cause, e.Outcome, bounds.MaxErrorNodes-1, bounds.MaxErrorDepth-1)
	c.Causes, c.Cut = []*Error{behind}, e.Cut || behind.Cut
	return &c
}

// Wrapping returns a copy of e with an error behind it that errors.Is and errors.As
// find in this process. If the copy is passed on to a caller, the registered errors
// behind it travel too.
func (e *Error) Wrapping(err error) *Error {
	c := *e
	c.near = err
	return &c
}

// WithOutcome returns a copy of e with another outcome.
func (e *Error) WithOutcome(o Outcome) *Error {
	c := *e
	c.Outcome = o
	return &c
}

// ContextError makes the error of a caller whose context has ended, with the
// outcome that its transport knows.
func ContextError(err error, o Outcome) *Error {
	code, sentinel := codeDeadline, context.DeadlineExceeded
	if errors.Is(err, context.Canceled) {
		code, sentinel = codeCanceled, context.Canceled
	}
	return &Error{Code: code, Outcome: o, Message: sentinel.Error() + " (" + o.String() + ")", is: sentinel}
}

// Annotate adds to err what the caller was doing. An error that no transport of ours made
// becomes one whose outcome is unknown.
func Annotate(err error, op string) error {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		e = &Error{Code: CodeOf(err), Outcome: Of(err), Message: err.Error(), is: err}
	}
	c := *e
	c.Op = op
	return &c
}
