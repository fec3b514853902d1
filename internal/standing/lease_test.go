package standing

import (
	"testing"
	"time"
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
		l := NewLease()
		if left, ended := l.Left(now); left != 0 || !ended.IsZero() {
			t.Errorf("a lease that was never given has %v left, and ended %v", left, ended)
		}
		l.Extend(now.Add(lease-c.mono), now.Add(lease-c.wall).Round(0))
		if got := l.Valid(now); got != c.valid {
			t.Errorf("%s: valid is %v", what, got)
		}
		if err := New("n", 1, 1, l).Start(call{}, now); (err == nil) != c.valid {
			t.Errorf("%s: a call starts with %v", what, err)
		}
		left, ended := l.Left(now)
		if late := max(c.mono, c.wall) - lease; c.valid != (left > 0) || c.valid != ended.IsZero() || !c.valid && !ended.Equal(now.Add(-late)) {
			t.Errorf("%s: %v are left, and it ended %v", what, left, ended)
		}
	}
}
