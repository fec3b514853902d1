// The end of a subscription: it refuses what comes, and waits for what runs

package dispatch

import (
	"time"

	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// grace is how long a handler may go on after its context has ended, before
// nobody waits for it any more.
const grace = 5 * time.Second

// Unsubscribe implements [transport.Subscription]: it refuses what arrives from now on
// and returns when every accepted call has finished. Calls are answered at the
// handler timeout at the latest; a handler that goes on regardless is given up
// soon after, with an error.
//
// Called by a handler or a hook it returns [outcome.ErrFromHandler], and does nothing.
func (s *Sub) Unsubscribe() error {
	if err := s.d.FromHandler("Unsubscribe"); err != nil {
		return err
	}
	return s.unsubscribe(s.d.giveUp())
}

// Quiescer is a subscription whose shard can come to rest before the subscription ends.
type Quiescer interface {
	// Quiesce is the first part of Unsubscribe, also where a handler calls it: it refuses what arrives, and returns
	// when every accepted call has finished, or with Unsubscribe's error. The
	// subscription remains, and admits what stop hooks of this process ask.
	Quiesce() error
	// Pending is how many calls were accepted and have not finished.
	Pending() int
}

var _ Quiescer = (*Sub)(nil)

// Quiesce implements [Quiescer].
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

// FromHandler returns [outcome.ErrFromHandler] if the calling goroutine runs a handler or a hook:
// what waits for those to end must not be called by them. what names it.
func (d *Dispatcher) FromHandler(what string) error {
	if d.pool.Inside() {
		return outcome.Errorf(outcome.ErrFromHandler, "%s would wait for the handler that calls it: call it from a goroutine that the handler does not wait for", what)
	}
	return nil
}

// giveUp is the moment until which an unsubscription that begins now waits; the
// zero time is never.
func (d *Dispatcher) giveUp() time.Time {
	if most := beside(d.pool, d.limits.HandlerTimeout); most > 0 {
		return time.Now().Add(most)
	}
	if d.limits.HandlerTimeout < 0 {
		return time.Time{}
	}
	return time.Now().Add(d.limits.HandlerTimeout + grace)
}

// beside is after how long the calling goroutine gives up waiting for handlers that have
// no limit; 0 is never. A goroutine that a handler has started may be waited for by that
// handler, and would wait for itself. Nobody can tell, so that it is not refused.
func beside(p Pool, handlerTimeout time.Duration) time.Duration {
	s, ok := p.(interface{ StartedInside() bool })
	if handlerTimeout >= 0 || !ok || !s.StartedInside() {
		return 0
	}
	return transport.DefaultHandlerTimeout + grace
}

// Beside returns for how long the calling goroutine may wait at most for the handlers of
// the lifetime, because one of them has started it, may wait for it, and has no limit; 0
// for any other goroutine, which may wait until they have ended.
func (l *Lifetime) Beside() time.Duration { return beside(l.pool, l.handlerTimeout) }

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

// awaitStop refuses what arrives, but for what stop hooks ask, and waits until nothing is
// in flight; until giveUp, if that is not zero.
func (s *Sub) awaitStop(giveUp time.Time) error {
	s.standing.Stop()
	atRest := s.rests()
	s.tellLate()
	return s.awaitEndUntil(atRest, giveUp)
}
