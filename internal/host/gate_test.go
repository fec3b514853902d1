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
}

func (s *spendable) Spent() Past { return pastOf{} }
func (s *spendable) End()        { s.ended++ }
func (s *spendable) EndLast()    { s.last++ }

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
