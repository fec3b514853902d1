// Owners in epochs, the gate before a call, draining a shard

package dispatch

import (
	"context"
	"time"

	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// Gate is of a [Subscriber] that may serve its shard only for a time. The dispatcher asks it twice about each call: when the call arrives, and
// when its handler is about to start, which may be long after.
type Gate interface {
	// Admit returns nil, or why the call must not be served: an error of which
	// the outcome is NotStarted. starts is false, and now is zero, on arrival; then
	// now has just been read.
	Admit(c *Call, now time.Time, starts bool) *outcome.Error
	// Moving reports whether the shard is on its way to another owner: what is
	// refused, or cut off, then is in [outcome.DrainCounts].
	Moving() bool
}

// EpochTransport is implemented by transports that can tell apart the owners
// that a shard has one after the other: each subscribes in an epoch of its own,
// and requests go to the owner in the highest epoch that the sender knows of.
type EpochTransport interface {
	ReceiverTransport
	// SubscribeEpoch is Subscribe for the owner in an epoch, which is not 0.
	// The subscription implements [Drainer].
	SubscribeEpoch(ctx context.Context, shardID uint32, epoch uint64, to Subscriber) (transport.Subscription, error)
}

// Drainer is a subscription whose work can end before it does. Called by a handler or a
// hook, Drain, Rest and Drop do nothing and return [outcome.ErrFromHandler].
type Drainer interface {
	// Drain refuses what arrives from now on, but what calls in flight wait for
	// ([Call.Needed]), and returns when every accepted call has finished, or with
	// ctx's error. The subscription remains, and refuses all. Keys that owe answers
	// are told at once ([Call.OnDrain]); what they still owe half a second later is
	// handed back, or cut off.
	Drain(ctx context.Context) error
	// Rest is Drain at the end of the shard's keys: what stop hooks ask is not admitted
	// any more either.
	Rest(ctx context.Context) error
	// Drop is Drain for a shard that is another's: the contexts of calls that run
	// end, and their callers are told that they may have run. It waits until ctx ends
	// for handlers to heed that, so that they do not run beside the next owner's.
	Drop(ctx context.Context) error
	// Lapse ends the contexts of calls that run, and tells their callers that
	// they may have run: the node's lease has ended. Calls that were left open go back
	// or end. With false the lease is back. Lapse does not block, and the subscription
	// goes on.
	Lapse(lapsed bool)
	// Counts returns what it has cost so far that the shard moves.
	Counts() outcome.DrainCounts
}

var _ Drainer = (*Sub)(nil)

// Drain implements [Drainer].
func (s *Sub) Drain(ctx context.Context) error {
	if err := s.d.FromHandler("Drain"); err != nil {
		return err
	}
	s.draining.Store(!s.dropped.Load())
	drained := s.refuseAndDrain()
	s.tellLate()
	for {
		if !s.awaitEnd(drained, ctx.Done()) {
			return outcome.Errorf(outcome.ErrHandlerTimeout, "%d calls have not finished", s.Pending()).WithCause(ctx.Err())
		}
		s.draining.Store(false) // nothing is admitted any more,
		if s.Pending() == 0 {   // and nothing was at the last moment
			return nil
		}
		s.draining.Store(!s.dropped.Load())
		drained = s.refuseAndDrain()
	}
}

// Rest implements [Drainer].
func (s *Sub) Rest(ctx context.Context) error {
	if err := s.d.FromHandler("Rest"); err != nil {
		return err
	}
	s.stops.Store(false)
	s.draining.Store(false)
	if !s.awaitEnd(s.refuseAndDrain(), ctx.Done()) {
		return outcome.Errorf(outcome.ErrHandlerTimeout, "%d calls have not finished", s.Pending()).WithCause(ctx.Err())
	}
	return nil
}

// Drop implements [Drainer].
func (s *Sub) Drop(ctx context.Context) error {
	if err := s.d.FromHandler("Drop"); err != nil {
		return err
	}
	s.draining.Store(false)
	s.refuseNew()
	s.mu.Lock()
	s.dropped.Store(true)
	asked := s.noted()
	s.mu.Unlock()
	for _, c := range asked {
		c.lose()
	}
	s.tellLate()
	s.allLate()
	return s.Drain(ctx)
}

// Lapse implements [Drainer].
func (s *Sub) Lapse(lapsed bool) {
	s.mu.Lock()
	s.lapsed.Store(lapsed)
	asked := s.noted()
	s.mu.Unlock()
	if !lapsed {
		return
	}
	for _, c := range asked {
		c.lose()
	}
	s.allLate()
}

// gone reports whether another may own the shard: who looks at its context then
// finds it ended.
func (s *Sub) gone() bool { return s.dropped.Load() || s.lapsed.Load() }

// lose ends a call whose shard was dropped, or that was left open for too long as its
// node ends.
func (c *Call) lose() {
	if c.sub.to.Gate == nil {
		c.Refuse(outcome.Errorf(outcome.ErrDraining, "%s: its answer was owed when the node ended", where(&c.env)))
		return
	}
	c.Refuse(outcome.Errorf(outcome.ErrNotOwner, "%s was lost while the call ran", where(&c.env)))
}

// noted is called with mu held.
func (s *Sub) noted() (calls []*Call) {
	for c := range s.asked.All() {
		calls = append(calls, c)
	}
	return calls
}

// note remembers a call whose handler looks at its end. It returns false if the
// end has come: the shard was dropped.
func (s *Sub) note(c *Call) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone() {
		return false
	}
	s.asked.Set(c, struct{}{})
	return true
}

func (s *Sub) unnote(c *Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked.Delete(c)
}

// Owners tells in which epochs shards are owned, as far as is known.
type Owners interface {
	// Epochs returns the epochs of at most most shards from first on, 0 for one
	// that nobody has ever owned, and how many shards there are. It must not
	// block.
	Epochs(first uint32, most int) (epochs []uint64, numShards uint32)
	// Version returns a number that changes when what Epochs returns has changed. It
	// must not block.
	Version() uint64
	// Seed returns the seed by which the cluster hashes keys. It must not block.
	Seed() string
}

// OwnersTransport is implemented by transports whose clients can ask the nodes of a
// live cluster who owns which shard, or how keys map to shards.
type OwnersTransport interface {
	// ServeOwners answers clients from o, until Unsubscribe.
	ServeOwners(ctx context.Context, o Owners) (transport.Subscription, error)
	// Served asks other nodes in which epochs they know shards to be owned, and returns
	// the first answer that has any, by shard. It returns nil where nobody has one, after
	// a second at most, and at once where all nodes are in this process.
	Served(ctx context.Context) (epochs []uint64)
	// Linger is how long an owner that has handed its shard over stays subscribed, to
	// send on those that do not know it yet. It must not block.
	Linger() time.Duration
}
