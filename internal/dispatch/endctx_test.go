package dispatch

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// waitsForParent reports whether package context has started a goroutine in a bubble that waits for the end of a
// context's parent.
func waitsForParent() bool {
	buf := make([]byte, 1<<20)
	for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(g, "synctest bubble") && strings.Contains(g, "created by context.(*cancelCtx).propagateCancel") {
			return true
		}
	}
	return false
}

// TestContextsMadeFromACall end with it, for its reason, without a goroutine that waits for that.
func TestContextsMadeFromACall(t *testing.T) {
	for what, c := range map[string]struct {
		end func(c *Call)
		err error
	}{
		"its reply":         {func(c *Call) { c.Reply(nil, nil) }, context.Canceled},
		"an error":          {func(c *Call) { c.Reply(nil, errors.New("no")) }, context.Canceled},
		"a refusal":         {func(c *Call) { c.Refuse(outcome.New(outcome.ErrDraining)) }, context.Canceled},
		"its sender leaves": {func(c *Call) { c.Leave(context.Canceled) }, context.Canceled},
		"its time is up":    {func(*Call) { time.Sleep(time.Minute) }, context.DeadlineExceeded},
	} {
		synctest.Test(t, func(t *testing.T) {
			d := NewDispatcher(transport.Limits{HandlerTimeout: time.Minute}, silent)
			b := &book{}
			s, err := d.Subscribe(t.Context(), whole(b))
			if err != nil {
				t.Fatal(err)
			}
			s.Dispatch(NewCall(transport.Envelope{}, &inbox{}, time.Hour))
			call := b.calls[0]
			call.Start(nil)
			child, cancel := context.WithTimeout(call, time.Hour/2)
			defer cancel()
			left, leave := context.WithCancel(call)
			valued := context.WithValue(child, t, t)
			grandchild, cancelIt := context.WithCancelCause(valued)
			defer cancelIt(nil)
			var funcs sync.WaitGroup
			funcs.Add(2)
			context.AfterFunc(call, funcs.Done)
			context.AfterFunc(valued, funcs.Done)
			stop := context.AfterFunc(call, func() { t.Errorf("%s: a func runs that was stopped", what) })
			leave()
			if call.Err() != nil || child.Err() != nil || left.Err() != context.Canceled || !stop() || stop() {
				t.Errorf("%s: before: %v, %v, %v", what, call.Err(), child.Err(), left.Err())
			}
			if waitsForParent() {
				t.Errorf("%s: a goroutine waits for the end", what)
			}
			c.end(call)
			synctest.Wait()
			funcs.Wait()
			for name, ctx := range map[string]context.Context{"it": call, "its child": child, "its grandchild": grandchild} {
				select {
				case <-ctx.Done():
				default:
					t.Errorf("%s: %s is open", what, name)
				}
				if ctx.Err() != c.err || context.Cause(ctx) != c.err {
					t.Errorf("%s: %s ends with %v, because of %v, want %v", what, name, ctx.Err(), context.Cause(ctx), c.err)
				}
			}
			if again := call.Done(); grandchild.Value(t) != t || call.Done() != again {
				t.Errorf("%s: the contexts are others", what)
			}
			call.End()
			after := make(chan struct{})
			context.AfterFunc(call, func() { close(after) })
			<-after
			late, cancel := context.WithCancel(call)
			defer cancel()
			if late.Err() != c.err {
				t.Errorf("%s: a context made afterwards: %v", what, late.Err())
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
