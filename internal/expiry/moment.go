// Moments by the monotonic clock

package expiry

import (
	"math"
	"time"
)

// base makes moments cheap to take and to compare: nanoseconds on the monotonic
// clock.
var base = time.Now()

// Now returns the current moment in nanoseconds since an arbitrary start, by
// the monotonic clock. Under virtual time it may be negative.
func Now() int64 { return int64(time.Since(base)) }

// At is [Now] for a time that was just read.
func At(t time.Time) int64 { return int64(t.Sub(base)) }

// Forever replaces longer times: added to a moment it does not overflow.
const Forever = time.Duration(math.MaxInt64 / 4)

// Until returns how long it is from now to a moment. It does not overflow, however
// far away that is.
func Until(moment int64) time.Duration { return Between(Now(), moment) }

// Between is [Until] for a moment that counts as now.
func Between(now, moment int64) time.Duration {
	switch d := moment - now; {
	case moment > 0 && now < 0 && d < 0:
		return math.MaxInt64
	case moment < 0 && now > 0 && d > 0:
		return math.MinInt64
	default:
		return time.Duration(d)
	}
}

// Plus returns the moment that is d after another, or the last that there is.
func Plus(moment int64, d time.Duration) int64 {
	if sum := moment + int64(d); d < 0 || sum >= moment {
		return sum
	}
	return math.MaxInt64
}
