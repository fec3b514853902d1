// How the node takes part, for others to ask

package coordinator

import (
	"errors"
	"time"

	"github.com/clstr-go/clstr/membership"
)

// Health is how a node takes part, as others may ask at any moment.
type Health struct {
	// Settled: this incarnation has served all that it should, once.
	Settled bool
	// Leaving: it hands over and goes, at its own process's wish or an operator's.
	Leaving bool
	// Lease is for how much longer the node may serve, 0 without a lease.
	Lease time.Duration
	// LeaseEnded is when that was over, by whichever clock was first; the zero time
	// for an incarnation that has a lease, or never had one.
	LeaseEnded time.Time
	// Wanted is how many shards the node should serve, by what it knows.
	Wanted int
	// Store is the error that the newest operation on the node's own record has met;
	// nil if it was answered.
	Store error
	// Subscribe is why shards cannot be subscribed; nil if they can.
	Subscribe error
	// Records is what is wrong in the store that no operation fails for; nil if nothing is.
	Records error
}

// Health returns how the node takes part now. It may be called at any time, and does
// not block.
func (c *Coordinator) Health() (h Health) {
	if err := c.unanswered.Load(); err != nil {
		h.Store = *err
	}
	l := c.lives.Load()
	if l == nil {
		return h
	}
	now := time.Now()
	h.Settled, h.Leaving, h.Wanted = l.settled.Load(), l.leaving.Load(), int(l.wanted.Load())
	h.Lease, h.LeaseEnded = l.lease.Left(now)
	if f := l.failing.Load(); f != nil {
		h.Subscribe = f.err
	}
	if err := l.records.amiss.Load(); err != nil {
		h.Records = *err
	}
	return h
}

// answered notes how an operation on the node's own record, or on the cluster's, has
// ended. That the records are gone stands until an operation succeeds: writes may not
// be told it.
func (c *Coordinator) answered(err error) {
	old := c.unanswered.Load()
	switch {
	case err == nil || errors.Is(err, membership.ErrConflict):
		c.unanswered.Store(nil)
	case old == nil || !errors.Is(*old, membership.ErrNoRecords) || errors.Is(err, membership.ErrNoRecords):
		c.unanswered.Store(&err)
	}
}

// settle is told once by each incarnation's core.
func (l *life) settle() {
	l.settled.Store(true)
	if !l.c.settled {
		l.c.settled = true
		l.c.opts.Node.Settled()
	}
}
