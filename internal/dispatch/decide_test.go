package dispatch

import (
	"testing"
	"time"

	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// Only a request that is open and has had no effect goes back.
func TestOnlyARequestWithoutEffectGoesBack(t *testing.T) {
	for name, tc := range map[string]struct {
		delivery transport.Delivery
		none     bool
		back     bool
	}{
		"request without effect":      {transport.AwaitReply, true, true},
		"request with an effect":      {transport.AwaitReply, false, false},
		"notification without effect": {transport.AwaitNothing, true, false},
	} {
		s := (&book{}).sub(t, transport.Limits{})
		c := NewCall(transport.Envelope{Type: "T", Delivery: tc.delivery}, &inbox{}, time.Hour)
		s.Dispatch(c)
		if !c.Start(nil) || !c.NoEffect(true) || !c.NoEffect(tc.none) {
			t.Fatalf("%s: it is not open", name)
		}
		if back := c.HandBack(); back != tc.back || back && c.Failure().Sentinel() != outcome.ErrHandedBack {
			t.Errorf("%s: back %v, answered with %v", name, back, c.Failure())
		}
		if open := c.NoEffect(false); open == tc.back {
			t.Errorf("%s: open %v", name, open)
		}
		if c.HandBack() {
			t.Errorf("%s: back again", name)
		}
		c.Reply(nil, nil)
		c.End()
	}
}

// What is decided for a call in line only (a circle that a probe finds) comes too late
// for one that has started.
func TestDecideBarsWhatHasStarted(t *testing.T) {
	var d decision
	if _, ok := d.change(0, bitStarted|bitAnswered, bitStarted); !ok {
		t.Fatal("it does not start")
	}
	if _, ok := d.change(0, bitStarted|bitAnswered, bitAnswered); ok {
		t.Error("decided, though it has started")
	}
	if old, ok := d.decide(0); !ok || old != bitStarted {
		t.Errorf("not decided: the bits of before are %b", old)
	}
	if _, ok := d.decide(0); ok {
		t.Error("decided twice")
	}
}
