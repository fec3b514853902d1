package membership

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/clstr-go/clstr/outcome"
)

// apart is how far two clocks' rates may differ from true, either way, before
// another could declare a node dead that still serves: the node stops at
// (Lease-Margin)/(1-r) after its renewal, the other waits (Lease+Delta)/(1+r).
func apart(lease, margin, delta time.Duration) float64 {
	return float64(margin+delta) / float64(2*lease+delta-margin)
}

// TestPresets keep what is written about them.
func TestPresets(t *testing.T) {
	for name, c := range map[string]struct {
		t              Timing
		lease          time.Duration
		outage, served time.Duration
	}{
		"default": {DefaultTiming, 10 * time.Second, 6500 * time.Millisecond, 12300 * time.Millisecond},
		"fast":    {FastTiming, 6 * time.Second, 3700 * time.Millisecond, 7900 * time.Millisecond},
		"calm":    {CalmTiming, 20 * time.Second, 13500 * time.Millisecond, 23300 * time.Millisecond},
		"15s":     {Timing{Lease: 15 * time.Second}.WithDefaults(), 15 * time.Second, 10 * time.Second, 18 * time.Second},
	} {
		if err := c.t.Validate(); err != nil || c.t != c.t.WithDefaults() {
			t.Errorf("%s: %v; %+v", name, err, c.t)
		}
		if c.t.Lease != c.lease {
			t.Errorf("%s: lease %v", name, c.t.Lease)
		}
		if r := apart(c.t.Lease, c.t.Margin, c.t.Delta); r < 0.0999 {
			t.Errorf("%s: clocks may run apart by %.2f %%, want 10", name, 100*r)
		}
		if got := c.t.Lease - c.t.Margin - c.t.Renew - 500*time.Millisecond; got != c.outage {
			t.Errorf("%s survives %v, want %v", name, got, c.outage)
		}
		if election := 9500 * time.Millisecond; (c.outage > election) != (name == "calm" || name == "15s") {
			t.Errorf("%s survives %v: the docs say something else about elections of up to %v", name, c.outage, election)
		}
		if got := c.t.Lease + c.t.Delta + c.t.Poll + leastRenew; got > c.served {
			t.Errorf("%s serves a dead node's shards after %v, want %v", name, got, c.served)
		}
	}
}

// TestPartOfATiming: what is not given follows from the lease.
func TestPartOfATiming(t *testing.T) {
	for _, lease := range []time.Duration{time.Second, 1250 * time.Millisecond, 3 * time.Second, 10 * time.Second, time.Hour} {
		got := Timing{Lease: lease}.WithDefaults()
		if err := got.Validate(); err != nil {
			t.Errorf("only Lease %v: %v", lease, err)
		}
		if got.Margin != lease/10 || got.Delta != lease/10 || got.Renew != max(lease/5, leastRenew) {
			t.Errorf("only Lease %v: %+v", lease, got)
		}
	}
	if got := (Timing{}).WithDefaults(); got != DefaultTiming {
		t.Errorf("nothing is given: %+v", got)
	}
	if got := (Timing{Renew: time.Second, MaxMoves: 3}).WithDefaults(); got.Renew != time.Second || got.MaxMoves != 3 || got.Lease != DefaultTiming.Lease {
		t.Errorf("%+v", got)
	}
}

// TestBadTimings are refused, with the name of the field and what it has to be.
func TestBadTimings(t *testing.T) {
	for want, bad := range map[string]Timing{
		"Timing.Lease 999ms: 1s to 24h0m0s":                    {Lease: 999 * time.Millisecond},
		"Timing.Lease -1s: 1s to 24h0m0s":                      {Lease: -time.Second},
		"Timing.Lease 24h0m0.000000001s: 1s":                   {Lease: MaxLease + 1},
		"Timing.Lease 2562047h47m16.":                          {Lease: math.MaxInt64},
		"Timing.Delta 24h0m0.000000001s: at":                   {Delta: MaxLease + 1},
		"Timing.Poll 2562047h47m16.":                           {Poll: math.MaxInt64},
		"ShardPoll 2562047h47m16.":                             {ShardPoll: math.MaxInt64},
		", Settle 2562047h47m16.":                              {Settle: math.MaxInt64},
		"MaxSettle 2562047h47m16.":                             {MaxSettle: math.MaxInt64},
		"Timing.MaxMoves 9223372036854775807: at most 1048576": {MaxMoves: math.MaxInt64},
		"Timing.Renew 249ms: at least 250ms":                   {Renew: 249 * time.Millisecond},
		"Timing.Renew -1s: at least 250ms":                     {Renew: -time.Second},
		"Timing.Renew 4.6s: at least 250ms, and twice Renew plus Margin 1s must fit into Lease 10s": {Renew: 4600 * time.Millisecond},
		"Timing.Renew 2562047h47m16.854775807s":                                                     {Renew: math.MaxInt64},
		"Timing.Renew 2s: at least 250ms, and twice Renew plus Margin 6.1s must fit into Lease 10s": {Margin: 6100 * time.Millisecond},
		"Margin -1s must fit":             {Margin: -time.Second},
		"Margin 2562047h47m16.854775807s": {Margin: math.MaxInt64},
		"Timing.Margin 99ms, Delta 1s: each at least a hundredth of Lease 10s": {Margin: 99 * time.Millisecond},
		"Timing.Margin 1s, Delta 99ms: each at least a hundredth of Lease 10s": {Delta: 99 * time.Millisecond},
		"Timing.Margin 1s, Delta -1ns":                                         {Delta: -1},
		"Poll:-1ns":                                                            {Poll: -1},
		"ShardPoll:-1ns":                                                       {ShardPoll: -1},
		"Settle:-1ns":                                                          {Settle: -1},
		"MaxSettle:-1ns":                                                       {MaxSettle: -1},
		"Residency:-1ns":                                                       {Residency: -1},
		"Forget:-1ns":                                                          {Forget: -1},
		"MaxMoves:-1":                                                          {MaxMoves: -1},
	} {
		if err := bad.WithDefaults().Validate(); !errors.Is(err, outcome.ErrBadOption) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if err := (Timing{Lease: MaxLease, Delta: MaxLease, Poll: MaxLease, ShardPoll: MaxLease, Settle: MaxLease, MaxSettle: MaxLease, Residency: math.MaxInt64, Forget: math.MaxInt64, MaxMoves: 1 << 20}).WithDefaults().Validate(); err != nil {
		t.Errorf("the most of all: %v", err)
	}
	limit := Timing{Margin: 100 * time.Millisecond, Delta: 100 * time.Millisecond, Renew: 4950 * time.Millisecond}
	if err := limit.WithDefaults().Validate(); err != nil {
		t.Error(err)
	}
}

// TestTimingsThatMeet: nodes of one cluster may have different timings, and it is
// the Delta of one that keeps another's Margin company. Whatever is accepted
// allows for clocks that run apart by half a percent, five times what NTP steers.
func TestTimingsThatMeet(t *testing.T) {
	all := []time.Duration{1, 10 * time.Millisecond, 100 * time.Millisecond, time.Second, 5 * time.Second}
	var accepted []Timing
	for _, lease := range []time.Duration{time.Second, 10 * time.Second, time.Minute} {
		for _, margin := range all {
			for _, delta := range all {
				if got := (Timing{Lease: lease, Margin: margin, Delta: delta}).WithDefaults(); got.Validate() == nil {
					accepted = append(accepted, got)
				}
			}
		}
	}
	if len(accepted) < 10 {
		t.Fatalf("only %d are accepted", len(accepted))
	}
	for _, a := range accepted {
		for _, b := range accepted {
			if r := apart(a.Lease, a.Margin, b.Delta); r < 0.005 {
				t.Errorf("Lease %v Margin %v beside a Delta %v: clocks may run apart by %.3f %% only", a.Lease, a.Margin, b.Delta, 100*r)
			}
		}
	}
}

// TestLeaseEndsBeforeTheDeclaration steps through the arithmetic with clocks at the bound.
func TestLeaseEndsBeforeTheDeclaration(t *testing.T) {
	for _, timing := range []Timing{DefaultTiming, FastTiming, CalmTiming} {
		const r = 0.099
		serves := float64(timing.Lease-timing.Margin) / (1 - r) // a slow clock
		dead := float64(timing.Lease+timing.Delta) / (1 + r)    // a fast one
		if serves >= dead {
			t.Errorf("it serves for %v, and is dead after %v", time.Duration(serves), time.Duration(dead))
		}
	}
}
