// Standing: what a shard admits on a node in one epoch, and how that changes

package standing

import (
	"sync/atomic"
	"time"
)

// Phase is how far the end of a shard has come on a node.
type Phase uint32

// The phases of a shard on a node, in the order in which they come.
const (
	Serving  Phase = iota // what comes is served
	Draining              // what its calls wait for is served, and what stop hooks ask
	Stopping              // its calls have come to rest: what stop hooks ask is served
	Ended                 // nothing that comes is served
	Lost                  // another may own it: what was accepted does not start either
)

// Standing is what a node may do for a shard in one epoch.
//
//	         Move, Drain            Stop, Cut             End
//	Serving -------------> Draining ---------> Stopping -------> Ended
//	   |                     |   ^     Drain      |  |             |
//	   |                     |   +----------------+  |             |
//	   +---------------------+-----------------------+-------------+---> Lost
//	                                                               Lose
//
// Any arrow may skip phases to the right. Three marks go with a phase, and stay. "The shard
// moves": another node takes it, so the senders of refused calls are sent there, and
// requests do not start any more. "It is final": it moves, but no node is there to take it, so
// requests do start. "It is cut": the contexts of running handlers have ended, because the next owner
// may begin; then it drains no more.
//
// The lease of the node stands beside all that. It may end and come back, and without it
// nothing is served. A shard of a fixed list has no lease.
//
// A Standing is safe for concurrent use and made for the path of a request. A call is
// counted first and looks at the standing then. The end of a shard changes the standing
// first and looks at the count then. So one of them sees the other.
type Standing struct {
	Node  string // for errors
	Shard uint32
	Epoch uint64 // 0: of a fixed list

	lease  *Lease // nil for a fixed list
	state  atomic.Uint32
	stages atomic.Pointer[Stages] // nil unless it moves
}

// The state is a phase and its marks.
const (
	phases uint32 = 1<<3 - 1
	moves  uint32 = 1 << 3
	final  uint32 = 1 << 4
	cut    uint32 = 1 << 5
)

// New makes the standing of a shard that the node serves in an epoch, under its lease.
func New(node string, shard uint32, epoch uint64, lease *Lease) *Standing {
	return &Standing{Node: node, Shard: shard, Epoch: epoch, lease: lease}
}

// Fixed makes the standing of a shard of a fixed list.
func Fixed() *Standing { return new(Standing) }

// isTaken reports whether another node takes the shard.
func isTaken(state uint32) bool { return state&(moves|final) == moves }

// transition goes to a phase and sets marks. A phase that has passed does not come back,
// except Draining after Stopping: a shard whose calls had come to rest may get another call.
func (s *Standing) transition(to Phase, marks uint32) {
	for {
		old := s.state.Load()
		next, all := max(Phase(old&phases), to), old&^phases|marks
		if Phase(old&phases) == Stopping && to == Draining {
			next = Draining
		}
		if next == Draining && all&cut != 0 {
			next = Stopping
		}
		if s.state.CompareAndSwap(old, all|uint32(next)) {
			return
		}
	}
}

// Move begins the move to another node, which must be over by end. If it is final, no node is
// there to take the shard.
func (s *Standing) Move(end time.Time, isFinal bool) {
	s.stages.CompareAndSwap(nil, stagesOf(end))
	marks := moves
	if isFinal {
		marks |= final
	}
	s.transition(Draining, marks)
}

// Stages returns by when the stages of the move must be over. They are fixed when it
// begins; before, they are zero.
func (s *Standing) Stages() Stages {
	if st := s.stages.Load(); st != nil {
		return *st
	}
	return Stages{}
}

// Drain refuses arriving calls, except those that the shard's calls wait for.
func (s *Standing) Drain() { s.transition(Draining, 0) }

// Stop refuses arriving calls, except those of stop hooks.
func (s *Standing) Stop() { s.transition(Stopping, 0) }

// Cut is Stop, and the contexts of running handlers end.
func (s *Standing) Cut() { s.transition(Stopping, cut) }

// End refuses arriving calls.
func (s *Standing) End() { s.transition(Ended, 0) }

// Lose says that another may own the shard.
func (s *Standing) Lose() { s.transition(Lost, 0) }

// Phase returns the phase.
func (s *Standing) Phase() Phase { return Phase(s.state.Load() & phases) }

// Asks reports whether the shard ends and has turns that may wait for others.
func (s *Standing) Asks() bool { p := s.Phase(); return p == Draining || p == Stopping }

// Leased reports whether the shard may go to another node: it may unless it is of a fixed
// list.
func (s *Standing) Leased() bool { return s.lease != nil }

// Moves reports whether the shard is being handed over: refused calls then count as a cost of
// the move.
func (s *Standing) Moves() bool {
	state := s.state.Load()
	return state&moves != 0 && Phase(state&phases) < Lost
}

// WasCut reports whether the shard was cut: handlers that still run may overlap with the next owner.
func (s *Standing) WasCut() bool { return s.state.Load()&cut != 0 }

// Gone reports whether the contexts of what runs have ended, for good or until the lease
// is back.
func (s *Standing) Gone() bool { return s.WasCut() || s.lease != nil && s.lease.Lapsed() }

// Elsewhere reports whether another node may own the shard by now.
func (s *Standing) Elsewhere() bool {
	return s.Phase() == Lost || s.lease != nil && !s.lease.Valid(time.Now())
}
