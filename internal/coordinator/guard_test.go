package coordinator

import (
	"testing"
	"time"

	"github.com/clstr-go/clstr/internal/ownership"
)

// TestBothClocksEndALease: the monotonic one stands still while a machine is suspended,
// the other may be set back.
func TestBothClocksEndALease(t *testing.T) {
	const lease = 9 * time.Second
	now := time.Now()
	for what, c := range map[string]struct {
		mono, wall time.Duration // how much earlier the renewal was, by each
		valid      bool
	}{
		"just renewed":                       {0, 0, true},
		"ten seconds ago by the wall clock":  {0, 10 * time.Second, false},
		"ten seconds ago by the monotonic":   {10 * time.Second, 0, false},
		"ten seconds ago by both":            {10 * time.Second, 10 * time.Second, false},
		"the wall clock was set back a year": {0, -365 * 24 * time.Hour, true},
	} {
		l := newLease()
		if left, ended := l.left(now); left != 0 || !ended.IsZero() {
			t.Errorf("a lease that was never given has %v left, and ended %v", left, ended)
		}
		l.extend(ownership.Lease{Until: lease}, now.Add(-c.mono), now.Add(-c.wall).Round(0))
		if got := l.valid(now); got != c.valid {
			t.Errorf("%s: valid is %v", what, got)
		}
		g := &Guard{lease: l}
		if got, want := g.Standing(now), map[bool]Standing{true: Serving, false: Suspended}[c.valid]; got != want {
			t.Errorf("%s: the shard is %v, want %v", what, got, want)
		}
		left, ended := l.left(now)
		if late := max(c.mono, c.wall) - lease; c.valid != (left > 0) || c.valid != ended.IsZero() || !c.valid && !ended.Equal(now.Add(-late)) {
			t.Errorf("%s: %v are left, and it ended %v", what, left, ended)
		}
	}
}
