// The end of a call as the standard library knows it

package dispatch

import (
	"context"
	"time"
)

// endCtx is a context of the standard library that ends with a call. The contexts that a handler makes from its own hang
// on it. Otherwise the standard library would start a goroutine for each of them, which waits for the call's end. An endCtx
// refers to nothing of the call, so the call may be used again while code still has the context.
type endCtx struct {
	context.Context
	parent   lateness
	answered context.CancelFunc // ends it with context.Canceled
}

func newEndCtx() *endCtx {
	e := &endCtx{}
	e.Context, e.answered = context.WithCancel(&e.parent)
	return e
}

// end is called once, with the call's mu held: no code but the standard library's runs in it.
func (e *endCtx) end(h how) {
	if h == late {
		e.parent.over = true
		e.parent.tell()
	}
	e.answered()
}

// lateness is a context that ends only if the time of a call is up, with context.DeadlineExceeded.
type lateness struct {
	over bool   // set once, before tell is called
	tell func() // ends what was made from the lateness
}

// AfterFunc is what package context looks for in a parent. It is called once.
func (l *lateness) AfterFunc(f func()) (stop func() bool) {
	l.tell = f
	return func() bool { return false }
}

// Done implements context.Context. The channel is never closed: AfterFunc stands in for it.
func (l *lateness) Done() <-chan struct{} { return never }

// Err implements context.Context.
func (l *lateness) Err() error {
	if l.over {
		return context.DeadlineExceeded
	}
	return nil
}

// Deadline implements context.Context.
func (l *lateness) Deadline() (time.Time, bool) { return time.Time{}, false }

// Value implements context.Context.
func (l *lateness) Value(any) any { return nil }

var never, always = make(chan struct{}), closed()

func closed() chan struct{} {
	ch := make(chan struct{})
	close(ch)
	return ch
}
