package dispatch

import (
	"bytes"
	"testing"

	"github.com/clstr-go/clstr/transport"
)

// post sends a notification whose data are a range of a larger message, and returns what look has found when its handler ran.
func post(t *testing.T, d *Dispatcher, data []byte, look func(*Call) []byte) (found []byte, left *far) {
	t.Helper()
	sub, err := d.Subscribe(t.Context(), whole(&reuser{do: func(c *Call) { found = look(c) }}))
	if err != nil {
		t.Fatal(err)
	}
	r, ok := d.Far().(*far)
	if !ok {
		r = &far{}
		d.Adopt(&r.Call)
	}
	r.Init(&transport.Envelope{Data: data, Delivery: transport.AwaitNothing}, r, 0)
	r.Keep(true)
	sub.Dispatch(&r.Call)
	Part(&r.Call)
	return found, r
}

// TestTheBufferOfACall holds the data of the next call, unless other code has asked for the data, in whatever way. That code
// keeps the data, and finds nothing of another call behind them.
func TestTheBufferOfACall(t *testing.T) {
	for what, c := range map[string]struct {
		look func(*Call) []byte
		used bool
	}{
		"borrowed":           {(*Call).Borrow, true},
		"asked for":          {(*Call).Data, false},
		"owned":              {func(c *Call) []byte { return c.Own().Data }, false},
		"peeked at":          {func(c *Call) []byte { e, _ := c.Peek(); return e.Data }, false},
		"borrowed, then had": {func(c *Call) []byte { c.Borrow(); return c.Data() }, false},
		"had twice":          {func(c *Call) []byte { c.Data(); return c.Data() }, false},
		"had, then owned":    {func(c *Call) []byte { c.Data(); return c.Own().Data }, false},
	} {
		d := NewDispatcher(transport.Limits{}, silent)
		packet := bytes.Repeat([]byte("long"), 100)
		_, r := post(t, d, packet[:300], (*Call).Borrow)
		if cap(r.buffer) < 300 || &r.buffer[:1][0] == &packet[0] {
			t.Fatalf("%s: the call has a buffer of %d bytes, or holds the packet", what, cap(r.buffer))
		}
		found, r := post(t, d, []byte("a shorter text that is kept, or is it not? it should be long enough"), c.look)
		if !c.used && cap(found) != len(found) {
			t.Errorf("%s: behind the data is %q", what, found[len(found):cap(found)])
		}
		if used := r.buffer != nil; used != c.used {
			t.Errorf("%s: its buffer is used again: %v", what, used)
		}
		before := string(found)
		post(t, d, bytes.Repeat([]byte("next"), 20), (*Call).Borrow)
		if changed := string(found) != before; changed != c.used {
			t.Errorf("%s: changed by the next call: %v", what, changed)
		}
		if err := d.Close(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestTheBoundOfABuffer: a call holds little more than its data, and one that is over keeps no large buffer.
func TestTheBoundOfABuffer(t *testing.T) {
	d := NewDispatcher(transport.Limits{}, silent)
	for _, before := range []int{0, 1, 64, 256, 500, 1024, mostBuffer, mostBuffer + 1, 100_000} {
		for _, n := range []int{1, 64, 256, 1024, mostBuffer, 50_000} {
			_, r := post(t, d, make([]byte, before), (*Call).Borrow)
			if cap(r.buffer) > mostBuffer {
				t.Errorf("a call that is over keeps %d bytes", cap(r.buffer))
			}
			found, _ := post(t, d, make([]byte, n), (*Call).Borrow)
			if most := 4*n + 256; len(found) != n || cap(found) > most {
				t.Errorf("%d bytes after %d lie in a buffer of %d: at most %d", n, before, cap(found), most)
			}
		}
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}
