// Whether a shard may be served now

package coordinator

import (
	"sync/atomic"
	"time"

	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/internal/ownership"
)

// lease is until when one incarnation of a node may serve. Both clocks must
// agree: the monotonic one stands still while a machine is suspended, the other
// may be set.
type lease struct {
	until atomic.Int64 // moment of internal/expiry
	wall  atomic.Int64 // nanoseconds since 1970

	lapsed atomic.Bool // was found to have ended: for who does not look at a clock
}

// never is before every moment, also of virtual time.
const never = -1 << 63

func newLease() *lease {
	l := new(lease)
	l.end()
	return l
}

func (l *lease) end() {
	l.until.Store(never)
	l.wall.Store(never)
}

func (l *lease) valid(now time.Time) bool {
	return expiry.At(now) < l.until.Load() && now.UnixNano() < l.wall.Load()
}

// left is for how much longer the lease is valid, or when it ended: the zero time
// for one that was never given.
func (l *lease) left(now time.Time) (left time.Duration, ended time.Time) {
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

// Standing is whether a shard is served.
type Standing uint32

// The standings of a shard on a node.
const (
	Serving   Standing = iota // what comes is served
	Suspended                 // the lease has ended; it may come back
	Moving                    // what has been accepted without a caller who waits is served still
	Lost                      // another may own it: nothing starts
)

// Guard says whether a node may serve a shard in an epoch. It is safe for
// concurrent use and made for the path of a request.
type Guard struct {
	Shard uint32
	Epoch uint64
	// Why the shard is ours and for how long nobody has served it before.
	Why    string
	Paused time.Duration

	since    time.Time // when the node was told to open it
	lease    *lease
	standing atomic.Uint32
	final    atomic.Bool
}

// Standing returns whether the shard is served now, a time that was just read: of
// both clocks.
func (g *Guard) Standing(now time.Time) Standing {
	if s := Standing(g.standing.Load()); s != Serving && s != Moving || g.lease.valid(now) {
		return s
	}
	return Suspended
}

// Arrival is Standing without a look at the clock: for what will be looked at
// again before it starts.
func (g *Guard) Arrival() Standing {
	s := Standing(g.standing.Load())
	if s == Serving && g.lease.lapsed.Load() {
		return Suspended
	}
	return s
}

// Moving reports whether the shard is being handed over, with or without a lease.
func (g *Guard) Moving() bool { return Standing(g.standing.Load()) == Moving }

// Final reports whether the shard is being drained, and nobody is there to take it.
func (g *Guard) Final() bool { return g.final.Load() }

// Now is Standing at this moment.
func (g *Guard) Now() Standing { return g.Standing(time.Now()) }

func (g *Guard) set(s Standing) {
	for {
		old := Standing(g.standing.Load())
		if old >= s || g.standing.CompareAndSwap(uint32(old), uint32(s)) {
			return
		}
	}
}

// extend takes a renewal of the lease. start is the moment from which the core
// counts; wall is the other clock's at the renewal.
func (l *lease) extend(e ownership.Lease, start time.Time, wall time.Time) {
	l.wall.Store(wall.Add(e.Until - e.Sent).UnixNano())
	l.until.Store(expiry.At(start.Add(e.Until)))
	l.lapsed.Store(false)
}
