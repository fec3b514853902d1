package host

import (
	"context"
	"testing"
	"unsafe"

	"github.com/clstr-go/clstr/internal/turn"
)

// spendable is a call that may be used again.
type spendable struct {
	quiet
	context.Context
	ended, last int
	replied     int
	busy        bool // other code has got hold of it
	alone       int  // ended by EndAlone
}

func (s *spendable) Spent() Past   { return pastOf{} }
func (s *spendable) End()          { s.ended++ }
func (s *spendable) EndLast()      { s.last++ }
func (s *spendable) IsAlone() bool { return !s.busy }
func (s *spendable) Past() Past    { return pastOf{} }

func (s *spendable) Reply([]byte, error) { s.replied++ }

func (s *spendable) EndAlone() bool {
	if !s.busy {
		s.alone++
	}
	return !s.busy
}

type pastOf struct{}

func (pastOf) Ended() Call {
	ctx, cancel := context.WithCancel(context.WithValue(context.Background(), pastOf{}, "past"))
	cancel()
	return &spendable{Context: ctx}
}

// TestAContextAfterItsCall: a call is not used again while code uses it, or may have kept it. When it is, its
// context has ended, and leads nowhere else.
func TestAContextAfterItsCall(t *testing.T) {
	make := func() (*Context, *spendable) {
		call := &spendable{Context: context.WithValue(context.Background(), pastOf{}, "call")}
		return &Context{call: call, cell: &cell{key: "k"}}, call
	}
	for what, use := range map[string]func(*Context){
		"kept":      func(c *Context) { c.Call() },
		"in use":    func(c *Context) { turn.Enter(&c.gate) },
		"goroutine": func(c *Context) { turn.Goes(&c.gate) },
	} {
		c, call := make()
		use(c)
		if c.end(); call.ended != 1 || call.last != 0 || c.Value(pastOf{}) != "call" {
			t.Errorf("%s: the call was given away", what)
		}
	}
	c, call := make()
	_, _ = c.Deadline()
	_ = c.Err()
	c.Message()
	c.Fail(nil)
	if c.Value(pastOf{}) != "call" {
		t.Error("the call's values are not there")
	}
	if c.end(); call.ended != 0 || call.last != 1 {
		t.Errorf("it has ended %d times, and %d times for good", call.ended, call.last)
	}
	call.Context = nil // it is another now: each look at it panics
	select {
	case <-c.Done():
	default:
		t.Error("its context is open")
	}
	_, header := c.Header("h")
	if _, ok := c.Deadline(); ok || header || c.Err() != context.Canceled || c.Value(pastOf{}) != "past" || c.Call() == Call(call) {
		t.Error("its context leads to the call")
	}
	if m := c.Message(); m.Key != "k" || m.Type != "" {
		t.Errorf("the message is %+v", m)
	}
	c.Respond("late")
	c.Fail(nil)
	for range 10 {
		if turn.Enter(&c.gate) {
			t.Fatal("the gate is open again")
		}
	}
}

// TestTheEndOfANotification: a call that only its handler has is answered and ended in one step. If other code gets hold of the call, or
// uses its context, the call is answered and ended step by step.
func TestTheEndOfANotification(t *testing.T) {
	for what, want := range map[string]struct {
		before, meanwhile           func(*Context, *spendable)
		alone, replied, last, ended int
		shut                        bool
	}{
		"only its handler has it":   {alone: 1, shut: true},
		"it is not alone":           {before: func(_ *Context, s *spendable) { s.busy = true }, last: 1, shut: true},
		"something comes meanwhile": {meanwhile: func(_ *Context, s *spendable) { s.busy = true }, replied: 1, last: 1, shut: true},
		"its context is in use":     {meanwhile: func(c *Context, _ *spendable) { turn.Enter(&c.gate) }, replied: 1, ended: 1},
		"its context was kept":      {meanwhile: func(c *Context, _ *spendable) { c.Call() }, replied: 1, ended: 1},
	} {
		call := &spendable{Context: context.WithValue(context.Background(), pastOf{}, "call")}
		c := &Context{call: call, cell: &cell{key: "k"}}
		if want.before != nil {
			want.before(c, call)
		}
		if done := c.Handled(); done == call.busy {
			t.Errorf("%s: Handled returned %v", what, done)
		}
		if want.meanwhile != nil {
			want.meanwhile(c, call)
		}
		c.end()
		if call.alone != want.alone || call.replied != want.replied || call.last != want.last || call.ended != want.ended {
			t.Errorf("%s: ended in one step %d times, answered %d times, ended for good %d times, ended %d times", what, call.alone, call.replied, call.last, call.ended)
		}
		values := map[bool]any{true: "past", false: "call"}[want.shut]
		if c.Value(pastOf{}) != values {
			t.Errorf("%s: its context leads to %v, not to %v", what, c.Value(pastOf{}), values)
		}
	}
}

// TestSizeOfAContext: each message allocates one.
func TestSizeOfAContext(t *testing.T) {
	if size := unsafe.Sizeof(Context{}); size > 48 {
		t.Errorf("%d bytes", size)
	}
}

// TestSizeOfDurableKeys: each idle durable key has an outlet, and each answer that waits for the store is a gated.
func TestSizeOfDurableKeys(t *testing.T) {
	if size := unsafe.Sizeof(outlet{}); size > 112 {
		t.Errorf("an outlet has %d bytes", size)
	}
	if size := unsafe.Sizeof(gated{}); size > 112 {
		t.Errorf("an answer that waits has %d bytes", size)
	}
}
