// Lease: until when one incarnation of a node may serve

package standing

import (
	"sync/atomic"
	"time"

	"github.com/clstr-go/clstr/internal/expiry"
)

// Lease says until when one incarnation of a node may serve. Both clocks must agree: the
// monotonic clock stands still while a machine is suspended, and the wall clock may be set.
type Lease struct {
	until atomic.Int64 // moment of internal/expiry
	wall  atomic.Int64 // nanoseconds since 1970

	lapsed atomic.Bool // was found to have ended: for those that do not look at a clock
}

// never is before every moment, also of virtual time.
const never = -1 << 63

// NewLease returns a lease that was never given.
func NewLease() *Lease {
	l := new(Lease)
	l.End()
	return l
}

// End takes the lease back.
func (l *Lease) End() {
	l.until.Store(never)
	l.wall.Store(never)
}

// Extend takes a renewal: the end of the lease by the monotonic clock of the first time, and by
// the wall clock of the second.
func (l *Lease) Extend(until, wall time.Time) {
	l.wall.Store(wall.UnixNano())
	l.until.Store(expiry.At(until))
	l.lapsed.Store(false)
}

// Lapse notes that the lease was found to have ended.
func (l *Lease) Lapse() { l.lapsed.Store(true) }

// Lapsed reports whether the end was noted, and the lease is not back.
func (l *Lease) Lapsed() bool { return l.lapsed.Load() }

// Valid reports whether the lease holds at a time that was just read, of both clocks.
func (l *Lease) Valid(now time.Time) bool {
	return expiry.At(now) < l.until.Load() && now.UnixNano() < l.wall.Load()
}

// Left returns how much longer the lease is valid, or when it ended. For a lease
// that was never given, that is the zero time.
func (l *Lease) Left(now time.Time) (left time.Duration, ended time.Time) {
	until, wall := l.until.Load(), l.wall.Load()
	if until == never {
		return 0, time.Time{}
	}
	left = min(time.Duration(until-expiry.At(now)), time.Duration(wall-now.UnixNano()))
	if left <= 0 {
		return 0, now.Add(left)
	}
	return left, time.Time{}
}
