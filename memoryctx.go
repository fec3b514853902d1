// The context of a call in memory, which ends with the member that makes the call

package clstr

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// memCall is a call of a member. A handler's call ends before the member does. Any other call ends with the member at the latest.
type memCall struct {
	open   context.Context // the call is made with it
	caller context.Context // nil for a handler's
	both   bothEnds        // of a request
	late   *lateEnds       // of a notification
}

// begin begins a call of this member, unless the member has ended. end must be called when the call is over.
func (l *memLink) begin(ctx context.Context, d transport.Delivery) (c memCall, err error) {
	switch {
	case l.life.Err() != nil:
		return c, errClosed()
	case dispatch.OfCall(ctx):
		return memCall{open: ctx}, nil
	case d == transport.AwaitReply:
		c.both = endsOf(ctx, l.life)
		c.open = c.both.Context
	default:
		c.late = &lateEnds{Context: ctx, life: l.life}
		c.open = c.late
	}
	c.caller = ctx
	return c, nil
}

func (c *memCall) end() {
	both := &c.both
	if c.late != nil {
		both = c.late.both.Load()
	}
	if both != nil && both.cancel != nil {
		both.stop()
		both.cancel()
	}
}

// why returns the error of a call that has failed with err. If the call has failed because the member has ended, the error says so.
func (c *memCall) why(err error) error {
	if err == nil || c.caller == nil || c.open.Err() == nil || c.caller.Err() != nil || !errors.Is(err, context.Canceled) {
		return err
	}
	if o := outcome.Of(err); o != outcome.RanAndFailed {
		return errClosed().WithOutcome(o)
	}
	return err
}

// bothEnds is a context that ends with the caller's and with the member's.
type bothEnds struct {
	context.Context
	cancel context.CancelFunc
	stop   func() bool
}

func endsOf(caller, life context.Context) bothEnds {
	ctx, cancel := context.WithCancel(caller)
	return bothEnds{ctx, cancel, context.AfterFunc(life, cancel)}
}

// lateEnds is such a context for a notification. Few notifications wait, so the context that waits for both ends is made when Done is
// first called.
type lateEnds struct {
	context.Context                 // the caller's
	life            context.Context // the member's
	once            sync.Once
	both            atomic.Pointer[bothEnds]
}

// Done implements context.Context.
func (e *lateEnds) Done() <-chan struct{} {
	e.once.Do(func() {
		both := endsOf(e.Context, e.life)
		e.both.Store(&both)
	})
	return e.both.Load().Done()
}

// Err implements context.Context.
func (e *lateEnds) Err() error {
	if both := e.both.Load(); both != nil {
		return both.Err()
	}
	if err := e.Context.Err(); err != nil {
		return err
	}
	return e.life.Err()
}

// Value implements context.Context. Package context asks it for the context that Done belongs to.
func (e *lateEnds) Value(key any) any {
	if both := e.both.Load(); both != nil {
		return both.Value(key)
	}
	return e.Context.Value(key)
}
