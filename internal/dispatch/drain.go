// The end of a subscription: it drains, is dropped, or unsubscribes

package dispatch

import (
	"context"
	"errors"
	"time"

	"github.com/clstr-go/clstr/outcome"
)

// grace is how long the end of a subscription waits for a handler after the handler's context has
// ended.
const grace = 5 * time.Second

// If a handler or a hook calls a method here that waits for calls, the method does nothing and returns
// [outcome.ErrFromHandler].

// Drain refuses the calls that arrive from now on, except those that calls in flight wait for
// ([Call.Needed]). It returns when every accepted call has finished, or with
// ctx's error. The subscription remains, and refuses all calls. Keys that owe answers
// are told at once ([Call.OnDrain]). Calls that are still open half a second later are
// handed back, or cut off.
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

// Rest is Drain at the end of the shard's keys: it no longer admits requests of stop hooks
// either.
func (s *Sub) Rest(ctx context.Context) error {
	if err := s.d.FromHandler("Rest"); err != nil {
		return err
	}
	s.standing.End()
	return s.awaitRest(ctx)
}

// awaitRest waits until nothing is in flight, or ctx ends. Keys that owe answers are told.
func (s *Sub) awaitRest(ctx context.Context) error {
	atRest := s.flight.rests()
	s.hearers.drain()
	if over(ctx, atRest) {
		return nil
	}
	owed := s.hearers.owed()
	err := outcome.Errorf(outcome.ErrHandlerTimeout, "%d answers are owed", owed)
	if n := s.Pending() - owed; n > 0 {
		err = outcome.Errorf(outcome.ErrHandlerTimeout, "%d calls have not finished: handlers ignore the end of their context", n)
	}
	return err.WithCause(ctx.Err())
}

// Drop is Drain for a shard that belongs to another node: the contexts of running calls
// end, and their callers are told that the calls may have run. It waits until ctx ends
// for handlers to return, so that they do not run beside those of the next owner.
func (s *Sub) Drop(ctx context.Context) error {
	if err := s.d.FromHandler("Drop"); err != nil {
		return err
	}
	s.standing.Cut()
	s.hearers.drain()
	s.Lapse()
	return s.Drain(ctx)
}

// Lapse is called when the node's lease has ended. It ends the contexts of running calls, and
// tells their callers that the calls may have run. Calls that were left open go back or end. It
// does not block, and the subscription goes on.
func (s *Sub) Lapse() { s.hearers.cutOff() }

// Unsubscribe implements [transport.Subscription]: it refuses the calls that arrive from now on
// and returns when every accepted call has finished. Calls are answered at the
// handler timeout at the latest. If a handler goes on regardless, Unsubscribe gives it up
// soon after, with an error.
func (s *Sub) Unsubscribe() error {
	if err := s.d.FromHandler("Unsubscribe"); err != nil {
		return err
	}
	var err error
	if s.to.Link != nil {
		err = s.to.Link.Leave()
	}
	return errors.Join(err, s.unsubscribe(s.d.giveUp()))
}

// Quiesce is the first part of Unsubscribe: it refuses the calls that arrive, and returns
// when every accepted call has finished, or with Unsubscribe's error. The
// subscription remains, and admits requests of stop hooks of this process.
func (s *Sub) Quiesce() error {
	if err := s.d.FromHandler("Quiesce"); err != nil {
		return err
	}
	giveUp := s.d.giveUp()
	err := s.awaitStop(giveUp)
	if err != nil {
		s.mu.Lock()
		s.giveUp = giveUp // an Unsubscribe waits no longer
		s.mu.Unlock()
	}
	return err
}

func (s *Sub) unsubscribe(giveUp time.Time) error {
	s.mu.Lock()
	if !s.giveUp.IsZero() { // a further one waits again
		giveUp, s.giveUp = s.giveUp, time.Time{}
	}
	s.mu.Unlock()
	if err := s.awaitStop(giveUp); err != nil {
		s.gaveUp.Store(true)
		return err // and remains among the subs: a further Close finds it
	}
	s.d.mu.Lock()
	delete(s.d.subs, s)
	s.d.mu.Unlock()
	return nil
}

// awaitStop refuses the calls that arrive, except those of stop hooks, and waits until no call is
// in flight, or until giveUp if that is not zero.
func (s *Sub) awaitStop(giveUp time.Time) error {
	ctx, cancel := before(giveUp)
	defer cancel()
	s.standing.Stop()
	return s.awaitRest(ctx)
}
