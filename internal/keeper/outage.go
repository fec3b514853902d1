// Outage: how long reads wait for a store that fails

package keeper

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/clstr-go/clstr/state"
)

const (
	// patience is how long reads wait for a store that fails: longer than JetStream takes to elect a leader, which
	// is 4 to 9 s. If all have failed for so long, reads fail at once, until one succeeds.
	patience = 10 * time.Second
	// lastLook is the longest pause between two tries of a read.
	lastLook = 250 * time.Millisecond
)

// outage is the time for which all reads have failed.
type outage struct {
	mu          sync.Mutex
	since, last time.Time // zero: the last read has not failed
}

// over ends the outage.
func (o *outage) over() {
	o.mu.Lock()
	o.since, o.last = time.Time{}, time.Time{}
	o.mu.Unlock()
}

// fails notes that a read has failed, and returns how long reads have failed by now.
func (o *outage) fails() time.Duration {
	now := time.Now()
	o.mu.Lock()
	defer o.mu.Unlock()
	if now.Sub(o.last) > patience { // nothing was read meanwhile
		o.since = now
	}
	o.last = now
	return now.Sub(o.since)
}

// waits pauses after the nth try of a read has failed, and reports whether to try again. since is when its first try
// failed. The store may fail for one shard while reads of others succeed.
func (o *outage) waits(ctx context.Context, n int, since time.Time, err error) bool {
	if state.Refused(err) || errors.Is(err, state.ErrUnreadable) || o.fails() >= patience || time.Since(since) >= patience {
		return false
	}
	pause := min(firstPause<<min(n, 10), lastLook)
	timer := time.NewTimer(pause/2 + rand.N(pause/2))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
