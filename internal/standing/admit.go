// Which calls a standing admits, and the errors of the others

package standing

import (
	"time"

	"github.com/clstr-go/clstr/outcome"
)

// Call is what a standing asks of a call. Needed and those after it may take long, and are
// asked only where the answer matters.
type Call interface {
	// AwaitsReply is false for a notification.
	AwaitsReply() bool
	// IsPart reports whether a handler makes it that was admitted, and still runs.
	IsPart() bool
	// Needed reports whether a call that is in flight waits for this one.
	Needed() bool
	// OfStopHook reports whether a stop hook asks, or has asked.
	OfStopHook() bool
	// OfLastTurn reports whether a turn asks of a shard that ends together with this one.
	OfLastTurn() bool
	// Target names the key or the shard, for an error.
	Target() string
}

// Admit returns nil, or why a call that arrives is refused. The call must have been
// counted. A request looks again when it starts, so that it leaves the clock alone here;
// the sender of a notification would not hear of a refusal then.
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

// errorFor is what the sender of a call is told that is refused.
func (s *Standing) errorFor(state uint32, c Call) *outcome.Error {
	switch {
	case Phase(state&phases) == Lost:
		return outcome.Errorf(outcome.ErrNotOwner, "node %s no longer owns shard %d", s.Node, s.Shard)
	case state&moves != 0:
		return outcome.Errorf(outcome.ErrNotOwner, "node %s hands shard %d over", s.Node, s.Shard)
	}
	return outcome.Errorf(outcome.ErrDraining, "%s", c.Target())
}
