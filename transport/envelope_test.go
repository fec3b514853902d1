package transport

import (
	"errors"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/internal/bounds"
	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/outcome"
)

func TestTTLRounding(t *testing.T) {
	for _, c := range []struct {
		ttl time.Duration
		ms  int64
	}{
		{0, 0}, {1, 1}, {time.Microsecond, 1}, {time.Millisecond, 1}, {time.Millisecond + 1, 2}, {1500 * time.Microsecond, 2},
		{time.Hour, 3_600_000}, {-1, -1}, {-time.Hour, -3_600_000}, {math.MaxInt64, math.MaxInt64/1_000_000 + 1},
	} {
		var e Envelope
		WithTTL(c.ttl)(&e)
		if e.TTLMs != c.ms {
			t.Errorf("WithTTL(%v): %d ms, want %d", c.ttl, e.TTLMs, c.ms)
		}
		if err := e.Validate(); (err == nil) != (c.ms >= 0) {
			t.Errorf("WithTTL(%v): Validate returns %v", c.ttl, err)
		}
	}
}

func TestTTLRunsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		want := func(e Envelope, ttl time.Duration, expired bool) {
			t.Helper()
			if e.TTL() != ttl || e.Expired() != expired {
				t.Errorf("TTL %d ms, created at %d: %v left, expired %v; want %v, %v", e.TTLMs, e.CreatedAtMs, e.TTL(), e.Expired(), ttl, expired)
			}
		}
		now := time.Now().UnixMilli()
		want(Envelope{}, 0, false)
		want(Envelope{CreatedAtMs: 1}, 0, false)
		want(Envelope{TTLMs: -1}, 0, true)
		want(Envelope{TTLMs: 50}, 50*time.Millisecond, false) // on its way: nothing was used up here
		want(Envelope{TTLMs: math.MaxInt64}, expiry.Forever.Truncate(time.Millisecond), false)
		want(Envelope{TTLMs: math.MaxInt64, CreatedAtMs: now}, expiry.Forever.Truncate(time.Millisecond), false)
		want(Envelope{TTLMs: 50, CreatedAtMs: now + 60_000}, 50*time.Millisecond, false) // a clock that was set back
		e := Envelope{TTLMs: 50, CreatedAtMs: now}
		want(e, 50*time.Millisecond, false)
		<-time.After(20 * time.Millisecond)
		want(e, 30*time.Millisecond, false)
		<-time.After(30 * time.Millisecond)
		want(e, 0, true)
		<-time.After(time.Hour)
		want(e, 0, true)
	})
}

func TestHeaders(t *testing.T) {
	var e Envelope
	WithHeader("a", "1")(&e)
	WithHeader("a", "2")(&e)
	if v, ok := e.GetHeader("a"); v != "2" || !ok {
		t.Errorf("header a is %q, %v", v, ok)
	}
	if v, ok := e.GetHeader("b"); v != "" || ok {
		t.Errorf("header b is %q, %v", v, ok)
	}
	if _, ok := e.GetHeader(HeaderKey); ok {
		t.Error("an envelope without a key has a key header")
	}
	e.Key = "user-123"
	for _, name := range []string{HeaderKey, "X-Clstr-Key"} {
		if v, ok := e.GetHeader(name); v != "user-123" || !ok {
			t.Errorf("header %s is %q, %v", name, v, ok)
		}
	}
}

func TestReservedHeaders(t *testing.T) {
	for name, reserved := range map[string]bool{
		"x-clstr-": true, "x-clstr-key": true, "X-CLSTR-KEY": true, "x-Clstr-anything": true,
		"x-clstr": false, "": false, "xx-clstr-key": false, "x_clstr_key": false, "trace": false,
	} {
		err := Envelope{Headers: map[string]string{name: ""}}.Validate()
		if errors.Is(err, outcome.ErrReservedHeader) != reserved || (err != nil) != reserved {
			t.Errorf("header %q: %v, want reserved %v", name, err, reserved)
		}
	}
}

func TestWithoutAck(t *testing.T) {
	for before, after := range map[Delivery]Delivery{AwaitReply: AwaitReply, AwaitAccept: AwaitNothing, AwaitNothing: AwaitNothing} {
		e := Envelope{Delivery: before}
		WithoutAck()(&e)
		if e.Delivery != after {
			t.Errorf("WithoutAck makes %d of %d, want %d", e.Delivery, before, after)
		}
	}
}

// TestIDsOfCommands: an ID is 1 to 256 bytes of UTF-8, and one that was given is never
// left out in silence.
func TestIDsOfCommands(t *testing.T) {
	for name, c := range map[string]struct {
		opt EnvelopeOption
		bad string // in the error
	}{
		"one byte":  {WithID("1"), ""},
		"most":      {WithID(strings.Repeat("i", bounds.MaxIDBytes)), ""},
		"once":      {Once(), ""},
		"too long":  {WithID(strings.Repeat("i", bounds.MaxIDBytes+1)), "ID of 257 bytes: at most 256 allowed"},
		"empty":     {WithID(""), "ID of 0 bytes: 1 to 256 allowed"},
		"not UTF-8": {WithID("\xff"), "must be UTF-8"},
		"age":       {func(e *Envelope) { e.AgeMs = -1 }, "must not be negative"},
	} {
		var e Envelope
		c.opt(&e)
		err := e.Validate()
		if c.bad == "" && err != nil || c.bad != "" && (!errors.Is(err, outcome.ErrBadEnvelope) || !strings.Contains(err.Error(), c.bad)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var a, b Envelope
	Once()(&a)
	Once()(&b)
	if a.ID == b.ID || a.ID == "" {
		t.Errorf("Once gave %q and %q", a.ID, b.ID)
	}
	WithID("order-1")(&a)
	Once()(&a)
	if a.ID != "order-1" {
		t.Errorf("Once has replaced an ID by %q", a.ID)
	}
}

// TestAgeGrows: also past a second Stamp, as of an envelope that waits on its way, and not
// with the wall clock.
func TestAgeGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := Envelope{ID: "order-1", AgeMs: 1000}
		<-time.After(time.Minute) // before its first stamp nothing is known
		e.Stamp()
		for i := range 3 {
			if want := time.Second + time.Duration(i)*time.Hour; e.Age() != want {
				t.Errorf("%v old, want %v", e.Age(), want)
			}
			<-time.After(time.Hour)
			e.Stamp()
		}
		if e.AgeMs != time.Second.Milliseconds()+3*time.Hour.Milliseconds() {
			t.Errorf("%d ms", e.AgeMs)
		}
		e.CreatedAtMs -= 60_000 // by a clock that somebody has set
		if e.Age() != time.Second+3*time.Hour {
			t.Errorf("%v old by another clock", e.Age())
		}
		if huge := (Envelope{ID: "i", AgeMs: math.MaxInt64}); huge.Age() <= 0 {
			t.Errorf("%v old", huge.Age())
		}
	})
}
