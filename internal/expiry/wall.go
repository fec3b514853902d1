// The wall clock, without a reading each time

package expiry

import (
	"sync/atomic"
	"time"
)

// wallFor is how long a reading of the wall clock serves. A change of the wall clock shows by then.
const wallFor = 100 * time.Millisecond

// reading is what the wall clock has said at a moment, in nanoseconds.
type reading struct{ at, wall int64 }

var lastRead atomic.Pointer[reading]

// Wall returns the current moment, and the milliseconds since the Unix epoch by the wall clock. Both clocks together
// take twice as long to read as one, so the wall clock is read ten times a second, and between two readings
// the monotonic clock counts on.
func Wall() (moment, unixMs int64) {
	now := Now()
	if r := lastRead.Load(); r != nil && now >= r.at && now-r.at < int64(wallFor) {
		return now, (r.wall + now - r.at) / int64(time.Millisecond)
	}
	t := time.Now()
	r := &reading{At(t), t.UnixNano()}
	lastRead.Store(r)
	return r.at, r.wall / int64(time.Millisecond)
}
