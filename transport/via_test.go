package transport

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/internal/pool"
)

// of is a call to a shard that these shards wait for.
func of(shard int, via ...uint32) *Call {
	c := NewCall(Envelope{Shard: shard}, &inbox{}, 0)
	c.SetVia(via)
	return c
}

// span is the shards from one to another.
func span(from, to uint32) (shards []uint32) {
	for s := from; s <= to; s++ {
		shards = append(shards, s)
	}
	return shards
}

func TestViaOf(t *testing.T) {
	none := context.Background()
	derived, cancel := context.WithCancel(of(7))
	defer cancel()
	for what, c := range map[string]struct {
		ctx  context.Context
		want []uint32
	}{
		"neither handler nor hook":      {none, nil},
		"a handler":                     {of(7), []uint32{7}},
		"derived from a handler's":      {derived, []uint32{7}},
		"a handler whose caller waits":  {of(7, 3, 5), []uint32{3, 5, 7}},
		"a chain that comes back":       {of(3, 3, 5), []uint32{3, 5}},
		"a chain within one shard":      {of(7, 7), []uint32{7}},
		"shard 0":                       {of(0, 1), []uint32{1, 0}},
		"as long as it may be":          {of(15, span(0, 14)...), span(0, 15)},
		"longer: the first is dropped":  {of(16, span(0, 15)...), span(1, 16)},
		"much longer, from elsewhere":   {of(64, span(0, 63)...), span(49, 64)},
		"a hook":                        {context.WithValue(none, pool.ShardKey{}, uint32(4)), []uint32{4}},
		"a hook of shard 0":             {context.WithValue(none, pool.ShardKey{}, uint32(0)), []uint32{0}},
		"a handler's, in a hook's name": {context.WithValue(of(7), pool.ShardKey{}, uint32(4)), []uint32{7}},
	} {
		if got := ViaOf(c.ctx); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", what, got, c.want)
		}
	}
}

// TestViaIsNotShared: the calls that one handler makes have chains of their own.
func TestViaIsNotShared(t *testing.T) {
	via := append(make([]uint32, 0, 8), 1)
	c := of(2, via...)
	first := of(3, ViaOf(c)...)
	second := of(4, ViaOf(c)...)
	a, b := ViaOf(first), ViaOf(second)
	if !slices.Equal(a, []uint32{1, 2, 3}) || !slices.Equal(b, []uint32{1, 2, 4}) || !slices.Equal(c.via(), []uint32{1}) {
		t.Errorf("%v, %v, from %v", a, b, c.via())
	}
}

// TestNeeded: a drain needs what its own shard waits for, and after a while what
// any does.
func TestNeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &book{}
		s := b.sub(t, Limits{})
		s.Dispatch(of(0))
		running := b.calls[0]
		running.Start(nil)
		drained := make(chan error)
		go func() { drained <- s.Drain(context.Background()) }() // ends with the call
		synctest.Wait()
		admitted := func(c *Call) bool {
			before := len(b.calls)
			s.Dispatch(c)
			if len(b.calls) == before {
				return false
			}
			c.Start(nil)
			c.Reply(nil, nil)
			c.End()
			return true
		}
		check := func(when string, own, others, nobody bool) {
			t.Helper()
			if got := admitted(of(0, 3, 0)); got != own {
				t.Errorf("%s: what the shard waits for is admitted: %v", when, got)
			}
			if got := admitted(of(0, 3)); got != others {
				t.Errorf("%s: what another shard waits for is admitted: %v", when, got)
			}
			if got := admitted(of(0)); got != nobody {
				t.Errorf("%s: what no shard waits for is admitted: %v", when, got)
			}
		}
		check("at first", true, false, false)
		pass(lenientAfter - 1)
		check("a little later", true, false, false)
		pass(1)
		check("after a while", true, true, false)
		pass(time.Minute)
		running.Reply(nil, nil)
		running.End()
		if err := <-drained; err != nil {
			t.Error(err)
		}
		check("when it has drained", false, false, false)
	})
}

// TestDropNeedsNothing: what waits in a shard that is another's waits in vain.
func TestDropNeedsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &book{}
		s := b.sub(t, Limits{})
		s.Dispatch(of(0))
		b.calls[0].Start(nil)
		over, cancel := context.WithCancel(context.Background())
		cancel()
		for _, f := range []func(context.Context) error{s.Drain, s.Drop, s.Drain} {
			if err := f(over); err == nil {
				t.Error("nothing is in flight")
			}
		}
		s.Dispatch(of(0, 0))
		if len(b.calls) != 1 {
			t.Error("a call was admitted")
		}
		b.calls[0].Reply(nil, nil)
		b.calls[0].End()
	})
}
