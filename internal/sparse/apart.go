// Calls of an application's code that may panic, end its goroutine or not return

package sparse

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"time"
)

// Recover is deferred around an application's code, such as its metrics, if a panic there would
// hurt more than one call: on a connection's reader, or
// before a call has been counted. The panic goes to the log.
func Recover(log *slog.Logger, what string) {
	if value := recover(); value != nil {
		log.Error("code of the application panicked", slog.String("in", what), Panic(value))
	}
}

// Apart calls an application's code on a goroutine of its own, and waits for it. Use it where the
// code would hurt others if it ended the goroutine, as a metric in a test may do.
// A panic goes to the log.
func Apart(log *slog.Logger, what string, f func()) {
	over := make(chan struct{})
	go func() { // ends with f
		defer close(over)
		defer Recover(log, what)
		f()
	}()
	<-over
}

// apart calls methods of the application's on a goroutine of their own, waits for it, and returns what they do instead of
// returning; "" if they return.
func apart(f func()) (how string) {
	how = "end their goroutine"
	over := make(chan struct{})
	go func() { // ends with the methods
		defer close(over)
		defer func() {
			if recover() != nil {
				how = "panic"
			}
		}()
		f()
		how = ""
	}()
	<-over
	return how
}

// Inside reports whether its caller is code of an application, on the goroutine that [Apart], [Ask] or a logger of [New] has made for
// that code. The library waits for such code, so the code must not wait for the end of the part of the library that has called it.
// Inside looks at the stack, so only a call of Inside costs something.
func Inside() bool {
	var frames [256]uintptr
	n := runtime.Callers(2, frames[:]) // the last ones are those of the goroutine's beginning
	for frames := runtime.CallersFrames(frames[:n]); ; {
		f, more := frames.Next()
		if strings.HasPrefix(f.Function, here) {
			return true
		}
		if !more {
			return false
		}
	}
}

const here = "github.com/clstr-go/clstr/internal/sparse."

// Patience is how long [Ask] waits for code that goes on although its context has ended.
const Patience = 2 * time.Second

// Ask calls code of an application that asks something outside of the process, such as a store, on a goroutine of its own,
// and waits for its answer. The code may panic, end its goroutine, or go on although ctx has ended. Then Ask returns an error
// that says so; in the last case it leaves the goroutine behind, [Patience] after the end of ctx.
func Ask[T any](ctx context.Context, log *slog.Logger, what string, f func(context.Context) (T, error)) (T, error) {
	type answer struct {
		got T
		err error
	}
	answers := make(chan answer, 1)
	go func() { // ends with f
		a := answer{err: fmt.Errorf("%s ended their goroutine", what)}
		defer func() { answers <- a }()
		defer func() {
			if value := recover(); value != nil {
				a.err = fmt.Errorf("%s panicked", what)
				log.Error("code of the application panicked", slog.String("in", what), Panic(value))
			}
		}()
		got, err := f(ctx)
		a = answer{got, err}
	}()
	select {
	case a := <-answers:
		return a.got, a.err
	case <-ctx.Done():
	}
	timer := time.NewTimer(Patience)
	defer timer.Stop()
	select {
	case a := <-answers:
		return a.got, a.err
	case <-timer.C:
		var none T
		return none, fmt.Errorf("%s go on although their context has ended: %w", what, context.Cause(ctx))
	}
}
