// Which calls a standing admits, and the errors of the others

package standing

import (
	"time"

	"github.com/clstr-go/clstr/outcome"
)

// Call is what a standing asks about a call. Needed and the methods after it may take long, and are
// called only if the answer matters.
type Call interface {
	// AwaitsReply is false for a notification.
	AwaitsReply() bool
	// IsPart reports whether an admitted handler that still runs makes the call.
	IsPart() bool
	// Needed reports whether a call that is in flight waits for this one.
	Needed() bool
	// OfStopHook reports whether a stop hook makes the call, or has made it.
	OfStopHook() bool
	// OfLastTurn reports whether a turn of a shard that ends together with this one makes the call.
	OfLastTurn() bool
	// Target names the key or the shard, for an error.
	Target() string
}

// Admit returns nil, or why an arriving call is refused. The call must have been
// counted. A request looks again when it starts, so it need not look at the clock here.
// A notification must, because its sender would not hear of a later refusal.
func (s *Standing) Admit(c Call) *outcome.Error {
	state := s.state.Load()
	if s.lease == nil && state == 0 { // a fixed list that serves
		return nil
	}
	phase, alone := Phase(state&phases), !isTaken(state)
	switch {
	case phase == Lost:
	case s.lease != nil && s.hasLapsed(c, phase):
		return s.suspended()
	case phase == Serving, c.IsPart():
		return nil
	case phase == Draining && (c.Needed() || alone && c.OfStopHook()),
		phase == Stopping && (c.OfStopHook() && (alone || c.Needed()) || c.OfLastTurn()):
		return nil
	}
	return s.errorFor(state, c)
}

func (s *Standing) hasLapsed(c Call, phase Phase) bool {
	if c.AwaitsReply() {
		return phase == Serving && s.lease.Lapsed()
	}
	return !s.lease.Valid(time.Now())
}

// Start returns nil, or why the handler of a call that was admitted must not start, at a
// time that was just read.
func (s *Standing) Start(c Call, now time.Time) *outcome.Error {
	state := s.state.Load()
	switch phase := Phase(state & phases); {
	case phase == Lost:
	case s.lease != nil && !s.lease.Valid(now):
		return s.suspended()
	case !isTaken(state), !c.AwaitsReply(), c.Needed():
		return nil
	}
	return s.errorFor(state, c)
}

func (s *Standing) suspended() *outcome.Error {
	return outcome.Errorf(outcome.ErrNotOwner, "node %s has not renewed its lease in time and serves nothing (shard %d)", s.Node, s.Shard)
}

// errorFor is the error for the sender of a refused call.
func (s *Standing) errorFor(state uint32, c Call) *outcome.Error {
	switch {
	case Phase(state&phases) == Lost:
		return outcome.Errorf(outcome.ErrNotOwner, "node %s no longer owns shard %d", s.Node, s.Shard)
	case state&moves != 0:
		return outcome.Errorf(outcome.ErrNotOwner, "node %s hands shard %d over", s.Node, s.Shard)
	}
	return outcome.Errorf(outcome.ErrDraining, "%s", c.Target())
}
