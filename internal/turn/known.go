// The turns of this process by their numbers, and what waits for them

package turn

import (
	"math"
	"slices"
	"sync"
)

// stripes keep what waits in this process, by number: so that a lock is seldom waited
// for.
var stripes [64]stripe

type stripe struct {
	mu    sync.Mutex
	turns map[uint64]*Turn  // by their own numbers
	asked map[uint64]*Asked // by the number of the turn that asks: the first of a ring
}

// Asked is what a turn's call has become here: the turn that handles it, or a place in
// line. A client may write one number into all that it sends, so that one of many must cost
// no more than one of few: the calls of a turn are a ring.
type Asked struct {
	by         uint64 // the number of the turn that asks
	turn       *Turn
	place      Place
	prev, next *Asked
}

// Place is where a message stands in line, behind the turn that runs there.
type Place interface {
	// Running returns the turn that runs; nil where that has asked nothing.
	Running() *Turn
}

// Running is that of the place.
func (a *Asked) Running() *Turn { return a.place.Running() }

func stripeOf(number uint64) *stripe { return &stripes[number%uint64(len(stripes))] }

func (a *Asked) enter() {
	s := stripeOf(a.by)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked == nil {
		s.asked = map[uint64]*Asked{}
	}
	first := s.asked[a.by]
	if first == nil {
		a.prev, a.next = a, a
		s.asked[a.by] = a
		return
	}
	a.prev, a.next = first.prev, first
	a.prev.next, a.next.prev = a, a
}

// Leave says that the call has left its place.
func (a *Asked) Leave() {
	s := stripeOf(a.by)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case a.next == a:
		delete(s.asked, a.by)
	case s.asked[a.by] == a:
		s.asked[a.by] = a.next
	}
	a.prev.next, a.next.prev = a.next, a.prev
}

// some returns at most so many calls of the turn of a number, and others the next time. It
// is called with mu held.
func (s *stripe) some(number uint64, most int) (all []*Asked) {
	first := s.asked[number]
	for a := first; a != nil && len(all) < most; a = a.next {
		if all = append(all, a); a.next == first {
			return all
		}
	}
	if len(all) > 0 {
		s.asked[number] = all[len(all)-1].next
	}
	return all
}

// find returns the turn of this process with the number; nil if there is none.
func find(number uint64) *Turn {
	s := stripeOf(number)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.turns[number]
}

func (t *Turn) know() {
	s := stripeOf(t.Number)
	s.mu.Lock()
	if s.turns == nil {
		s.turns = map[uint64]*Turn{}
	}
	s.turns[t.Number] = t
	s.mu.Unlock()
	if t.By != nil {
		t.own.asked = Asked{by: t.By.Number, turn: t}
		t.own.asked.enter()
	}
}

func (t *Turn) forget() {
	s := stripeOf(t.Number)
	s.mu.Lock()
	delete(s.turns, t.Number)
	s.mu.Unlock()
	if t.By != nil {
		t.own.asked.Leave()
	}
}

// Queue notes that a call that t waits for stands in line, until it leaves.
func (t *Turn) Queue(p Place) *Asked {
	a := &Asked{by: t.Number, place: p}
	a.enter()
	return a
}

// OfShards reports whether t, or a turn that waits for it, is a turn of this process that
// belongs to such a shard and waits now.
func (t *Turn) OfShards(shards func(uint32) bool) bool {
	for t := range t.Line() {
		if own := find(t.Number); own != nil && own.Shard == t.Shard && shards(t.Shard) && own.waitsNow() {
			return true
		}
	}
	return false
}

// WaitsFor returns at most so many of the turns of this process that the turn of the
// number waits for, if they wait themselves: they handle its calls, or run
// where its calls stand in line. It takes what it has looked at from looks, and looks
// at no more than there are. For a drain it returns turns that were answered, too: a drain waits for their end.
func WaitsFor(number uint64, most int, looks *int, drain bool) (turns []*Turn) {
	s := stripeOf(number)
	s.mu.Lock()
	all := s.some(number, *looks)
	s.mu.Unlock()
	for _, a := range all {
		if len(turns) == most {
			break
		}
		*looks--
		t := a.turn
		if a.place != nil {
			t = a.place.Running()
		}
		if t != nil && t.own != nil && (t.HoldsUp() || drain && t.waitsNow()) && !slices.Contains(turns, t) {
			turns = append(turns, t)
		}
	}
	return turns
}

// Of returns the turns of this process that belong to shards and wait now, at most so
// many.
func Of(shards func(uint32) bool, most int) (turns []*Turn) {
	for i := range stripes {
		s := &stripes[i]
		s.mu.Lock()
		for _, t := range s.turns {
			if len(turns) < most && shards(t.Shard) && t.waitsNow() {
				turns = append(turns, t)
			}
		}
		s.mu.Unlock()
	}
	return turns
}

// Known returns how many turns of this process have waited and are not over, and how
// many of their calls are known here.
func Known() (turns, calls int) {
	for i := range stripes {
		s := &stripes[i]
		s.mu.Lock()
		turns += len(s.turns)
		for number := range s.asked {
			calls += len(s.some(number, math.MaxInt))
		}
		s.mu.Unlock()
	}
	return turns, calls
}

// StopHook returns the role of the stop hook that waits for t: a hook of a key of this
// process that is among the turns of t's line, or has notified one of them. It is Stop if the
// hook's shard does not end yet, and Key if there is no hook. told is how many notifications
// lie between. shard is that of the call. A role that came over a wire is not believed.
func (t *Turn) StopHook(shard uint32) (role Role, told int) {
	for t := range t.Line() {
		own := t
		if t.own == nil { // it came by a wire
			own = find(t.Number)
		}
		if own == nil {
			continue
		}
		if is, by, waits := own.stops(shard); waits && is > role {
			role, told = is, by
		}
	}
	return role, told
}
