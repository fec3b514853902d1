// Owners in epochs, and how a shard drains

package dispatch

import (
	"context"

	"github.com/clstr-go/clstr/outcome"
)

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
	// Lapse ends the contexts of calls that run, and tells their callers that they may
	// have run: the node's lease has ended. Calls that were left open go back or end. It
	// does not block, and the subscription goes on.
	Lapse()
	// Counts returns what it has cost so far that the shard moves.
	Counts() outcome.DrainCounts
}

var _ Drainer = (*Sub)(nil)

// Drain implements [Drainer].
func (s *Sub) Drain(ctx context.Context) error {
	if err := s.d.FromHandler("Drain"); err != nil {
		return err
	}
	for {
		s.standing.Drain()
		if err := s.awaitRest(ctx); err != nil {
			return err
		}
		s.standing.Stop()     // nothing is admitted any more,
		if s.Pending() == 0 { // and nothing was at the last moment
			return nil
		}
	}
}

// Rest implements [Drainer].
func (s *Sub) Rest(ctx context.Context) error {
	if err := s.d.FromHandler("Rest"); err != nil {
		return err
	}
	s.standing.End()
	return s.awaitRest(ctx)
}

// awaitRest waits until nothing is in flight, or ctx ends.
func (s *Sub) awaitRest(ctx context.Context) error {
	atRest := s.rests()
	s.tellLate()
	if !s.awaitEnd(atRest, ctx.Done()) {
		return outcome.Errorf(outcome.ErrHandlerTimeout, "%d calls have not finished", s.Pending()).WithCause(ctx.Err())
	}
	return nil
}

// Drop implements [Drainer].
func (s *Sub) Drop(ctx context.Context) error {
	if err := s.d.FromHandler("Drop"); err != nil {
		return err
	}
	s.standing.Cut()
	s.tellLate()
	s.Lapse()
	return s.Drain(ctx)
}

// Lapse implements [Drainer].
func (s *Sub) Lapse() {
	s.mu.Lock()
	var asked []*Call
	for c := range s.asked.All() {
		asked = append(asked, c)
	}
	s.mu.Unlock()
	for _, c := range asked {
		c.lose()
	}
	s.allLate()
}

// lose ends a call whose shard was dropped, or that was left open for too long as its
// node ends.
func (c *Call) lose() {
	if !c.sub.standing.Leased() {
		c.Refuse(outcome.Errorf(outcome.ErrDraining, "%s: its answer was owed when the node ended", where(&c.env)))
		return
	}
	c.Refuse(outcome.Errorf(outcome.ErrNotOwner, "%s was lost while the call ran", where(&c.env)))
}

// note remembers a call whose handler looks at its end. It returns false if the
// end has come: the shard was dropped, or the lease has ended.
func (s *Sub) note(c *Call) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.standing.Gone() {
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
