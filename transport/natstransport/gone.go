// Routes, and calls on a route that has a successor

package natstransport

import (
	"sync/atomic"
	"time"

	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// route is what is known of the owner of a shard. Another owner has another route: only the
// marks of a route change.
type route struct {
	shard uint32
	epoch uint64 // 0: with a fixed list
	to    *nodeBox

	said  atomic.Uint64 // 1 more than the highest epoch that a node has told; 0: none has told any
	doubt atomic.Bool   // the node did not serve the shard
	rival *nodeBox      // a node whose fixed list has the shard too; nil: none is known. Guarded by owners.mu
	gone  expiry.Node   // once there is a successor
}

// told reports whether a node has told the route: it is no mere announcement.
func (r *route) told() bool { return r.said.Load() > r.epoch }

// doubted notes that the node did not serve the shard. It returns true if that is news.
func (r *route) doubted() bool { return r.doubt.CompareAndSwap(false, true) }

// follow takes the owner that the node has named when it refused the shard; the zero Owner is none.
func (r *route) follow(owner wire.Owner) {
	if owner.Epoch > r.epoch || owner.Node != "" && !r.told() { // an older one is the word of a node that lags
		r.doubt.Store(true)
		r.to.t.owners.learn(r.shard, owner, true)
	}
}

// leadsHere reports whether an envelope to the route's shard needs no NATS. r may be nil.
func (r *route) leadsHere(env *transport.Envelope) bool {
	return r != nil && r.to.here && env.Type != turnsAt && env.Type != aliveAt // those are for the reader
}

// succession is how long calls wait for the answers of an owner whose shard has a newer owner. An
// owner that has handed its shard over has answered all calls before the next owner is announced,
// so its answers are on their way. A dead owner never answers.
const succession = 2 * time.Second

// succeeded ends the calls that still wait for an old owner, after a while: they may have run.
func (r *route) succeeded() { r.abandonIn(r.to.t.succession) }

func (r *route) abandonIn(d time.Duration) { r.to.t.clock.Add(&r.gone, r, expiry.Now()+int64(d)) }

// Expire implements [expiry.Expirer].
func (r *route) Expire() {
	t, here := r.to.t, func(c *call) bool { return c.to == r }
	switch now := t.owners.routes.Get(r.shard); {
	case t.closed.Load() || !t.calls.any(here):
	case now == nil || now.said.Load() <= r.epoch+1: // only announced, and any user may announce
		t.asker.open(true)
		r.abandonIn(askAgain)
	default:
		decideAll(t.calls.takeIf(here), func(*call) *outcome.Error {
			return outcome.Errorf(outcome.ErrNotOwner, "the owner of shard %d in epoch %d has not answered, and the shard has another owner now", r.shard, r.epoch).WithOutcome(outcome.MaybeRan)
		})
	}
}
