package dispatch

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/internal/turn"
	"github.com/clstr-go/clstr/transport"
)

// ofTurn is a call to a shard whose handler runs, and that t waits for. It ends with
// the test.
func ofTurn(t *testing.T, s *Sub, b *book, shard int, by *Turn) *Call {
	c := NewCall(transport.Envelope{Shard: shard}, &inbox{}, 0)
	c.SetWaiting(by)
	before := len(b.calls)
	s.Dispatch(c)
	if len(b.calls) == before || !c.Start(nil) {
		t.Fatal("the call does not start")
	}
	t.Cleanup(func() { c.Reply(nil, nil); c.End() })
	return c
}

// shardsOf returns the shards of a line of turns, the nearest first.
func shardsOf(t *Turn) (shards []uint32) {
	for t := range t.Line() {
		shards = append(shards, t.Shard)
	}
	return shards
}

// forged is what a client may write.
func forged(shards ...uint32) (t *Turn) {
	for i, shard := range slices.Backward(shards) {
		t = &Turn{Shard: shard, Number: uint64(i) + 1, By: t}
	}
	return t
}

type madeHook struct{ t *Turn }

func (h madeHook) Asks() *turn.Turn { return h.t }

func TestWaiting(t *testing.T) {
	none := context.Background()
	b := &book{}
	s := b.sub(t, transport.Limits{})
	handler := func(shard int, by *Turn) *Call { return ofTurn(t, s, b, shard, by) }
	derived, cancel := context.WithCancel(handler(7, nil))
	defer cancel()
	hook := turn.New(4, turn.Key, "", "", nil)
	defer hook.End()
	over := handler(7, nil)
	Waiting(over)
	over.End()
	notified := NewCall(transport.Envelope{Shard: 5, Delivery: transport.AwaitAccept}, &inbox{}, 0)
	notified.SetWaiting(forged(3))
	s.Dispatch(notified)
	notified.Start(nil)
	t.Cleanup(func() { notified.Reply(nil, nil); notified.End() })
	for what, c := range map[string]struct {
		ctx  context.Context
		want []uint32
	}{
		"neither handler nor hook":     {none, nil},
		"a handler":                    {handler(7, nil), []uint32{7}},
		"derived from a handler's":     {derived, []uint32{7}},
		"a handler whose caller waits": {handler(7, forged(5, 3)), []uint32{7, 5, 3}},
		"a chain that comes back":      {handler(3, forged(5, 3)), []uint32{3, 5, 3}},
		"a handler that has returned":  {over, nil},
		"a notification's handler":     {notified, []uint32{5}},
		"one that has not started":     {NewCall(transport.Envelope{}, &inbox{}, 0), nil},
		"a hook":                       {context.WithValue(context.WithValue(none, turn.InsideKey{}, true), turn.MakerKey{}, madeHook{hook}), []uint32{4}},
		"longer than what matters":     {handler(99, forged(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17)), []uint32{99, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}},
	} {
		if got := shardsOf(Waiting(c.ctx)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", what, got, c.want)
		}
	}
}

// TestTurnsAreForgotten: what has ended is not kept.
func TestTurnsAreForgotten(t *testing.T) {
	turns, calls := turn.Known()
	b := &book{}
	s := b.sub(t, transport.Limits{})
	for range 1000 {
		c := NewCall(transport.Envelope{}, &inbox{}, 0)
		s.Dispatch(c)
		c.Start(nil)
		done := make(chan struct{})
		go func() { Waiting(c); close(done) }() // at the same moment as the end
		c.Reply(nil, nil)
		c.End()
		<-done
	}
	if n, m := turn.Known(); n != turns || m != calls {
		t.Errorf("%d turns and %d calls are known, want %d and %d", n, m, turns, calls)
	}
}

// TestNeeded: a drain needs what a turn of its own shard waits for now, and nothing
// of what a client says of itself.
func TestNeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &book{}
		s := b.sub(t, transport.Limits{})
		running, other := ofTurn(t, s, b, 0, nil), ofTurn(t, s, b, 3, nil)
		mine, theirs := Waiting(running), Waiting(other)
		theirs.Wait(0)
		drained := make(chan error)
		go func() { drained <- s.Drain(context.Background()) }() // ends with the call
		synctest.Wait()
		admitted := func(by *Turn) bool {
			before := len(b.calls)
			c := NewCall(transport.Envelope{}, &inbox{}, 0)
			c.SetWaiting(by)
			s.Dispatch(c)
			if len(b.calls) == before {
				return false
			}
			c.Start(nil)
			c.Reply(nil, nil)
			c.End()
			return true
		}
		check := func(when string, want bool) {
			t.Helper()
			for what, by := range map[string]*Turn{
				"": mine, "by way of another": {Shard: 3, Number: 1, By: mine}, "from a wire": {Number: mine.Number},
			} {
				if got := admitted(by); got != want {
					t.Errorf("%s: what the shard waits for (%s) is admitted: %v", when, what, got)
				}
			}
			for what, by := range map[string]*Turn{
				"nobody": nil, "one that is made up": forged(0), "one of another shard": theirs, "one of another shard, in its name": {Number: theirs.Number},
				"the own one, in another's name": {Shard: 3, Number: mine.Number},
			} {
				if admitted(by) {
					t.Errorf("%s: what %s waits for is admitted", when, what)
				}
			}
		}
		check("before it waits", false)
		mine.Wait(3)
		check("while it waits", true)
		pass(time.Minute)
		check("much later", true)
		mine.Wait(3)
		mine.Waited(3)
		check("while it waits for another", true)
		mine.Waited(3)
		check("when it waits no longer", false)
		mine.Wait(3)
		running.Reply(nil, nil)
		running.End()
		check("when it has ended", false)
		other.Reply(nil, nil)
		other.End()
		if err := <-drained; err != nil {
			t.Error(err)
		}
		check("when it has drained", false)
	})
}

// TestDropNeedsNothing: what waits in a shard that is another's waits in vain.
func TestDropNeedsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &book{}
		s := b.sub(t, transport.Limits{})
		c := ofTurn(t, s, b, 0, nil)
		over, cancel := context.WithCancel(context.Background())
		cancel()
		for _, f := range []func(context.Context) error{s.Drain, s.Drop, s.Drain} {
			if err := f(over); err == nil {
				t.Error("nothing is in flight")
			}
		}
		var w Wait
		asks := NewCall(transport.Envelope{}, &inbox{}, 0)
		asks.SetWaiting(w.For(c, 0))
		s.Dispatch(asks)
		if len(b.calls) != 1 {
			t.Error("a call was admitted")
		}
	})
}
