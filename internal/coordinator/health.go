// How the node takes part, for others to ask

package coordinator

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/clstr-go/clstr/internal/ownership"
	"github.com/clstr-go/clstr/membership"
)

// Health is how a node takes part, as others may ask at any moment.
type Health struct {
	// Settled: this incarnation has served all of its shards at some time.
	Settled bool
	// Leaving: the node hands over its shards and goes, because its process or an operator wants it.
	Leaving bool
	// Stays: the node leaves, and waits for the shards of others that leave.
	Stays bool
	// Held is how many shards the node has and has not handed over.
	Held int
	// Lease is for how much longer the node may serve, 0 without a lease.
	Lease time.Duration
	// LeaseEnded is when the lease ended, by the clock that was first. It is the zero time
	// for an incarnation that has a lease, or never had one.
	LeaseEnded time.Time
	// Wanted is how many shards the node should serve, by what it knows.
	Wanted int
	// Store is the error of the newest operation on the node's own record;
	// nil if the store has answered it.
	Store error
	// Subscribe is why shards cannot be subscribed; nil if they can.
	Subscribe error
	// Deaf is why the node has stopped renewing its lease although the store answers; nil if it has not.
	Deaf error
	// Unreachable are the members that this node does not reach, or that do not reach it, although
	// both reach the store.
	Unreachable []string
	// Died is why a node that joins takes no shards for longer than others: recent deaths under its name. It is
	// nil if that is not so.
	Died error
	// Records is a fault in the store that makes no operation fail; nil if there is none.
	Records error
}

// answers is how the store has answered about the node's own record, and the cluster's.
type answers struct {
	err atomic.Pointer[error] // nil: well
}

func (a *answers) last() error {
	if err := a.err.Load(); err != nil {
		return *err
	}
	return nil
}

// took notes how an operation on the node's own record, or on the cluster's, has
// ended. That the records are gone stands until an operation succeeds: writes may not
// be told it.
func (a *answers) took(err error) {
	old := a.err.Load()
	switch {
	case err == nil || errors.Is(err, membership.ErrConflict):
		a.err.Store(nil)
	case old == nil || !errors.Is(*old, membership.ErrNoRecords) || errors.Is(err, membership.ErrNoRecords):
		a.err.Store(&err)
	}
}

// died is the longer wait of a node before it takes shards, because its name has died lately.
type died struct {
	times int
	till  time.Time
}

// err returns nil once the wait is over.
func (d *died) err(self ownership.Self, now time.Time) error {
	if d == nil || !now.Before(d.till) {
		return nil
	}
	return fmt.Errorf("deaths of node %s in the last %v: %d; it takes no shards for another %v", self.Name, self.Timing.Forget, d.times, d.till.Sub(now).Round(time.Millisecond))
}
