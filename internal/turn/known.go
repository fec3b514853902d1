// The turns of this process by their numbers, and what waits for them

package turn

import (
	"slices"
	"sync"
)

// stripes keep what waits in this process, by number: so that a lock is seldom waited
// for.
var stripes [64]stripe

type stripe struct {
	mu    sync.Mutex
	turns map[uint64]*Turn  // by their own numbers
	asked map[uint64]*calls // by the number of the turn that waits for them
}

// calls are those of one turn. Most turns wait for few. A client may write one number
// into all that it sends, so that many must cost no more, each, than few.
type calls struct {
	few  []asked
	many map[asked]int // beyond mostFew, and how often
}

const mostFew = 8

func (c *calls) add(a asked) {
	if len(c.few) < mostFew {
		c.few = append(c.few, a)
		return
	}
	if c.many == nil {
		c.many = map[asked]int{}
	}
	c.many[a]++
}

// remove returns true if none is left.
func (c *calls) remove(a asked) (none bool) {
	if i := slices.Index(c.few, a); i >= 0 {
		c.few = slices.Delete(c.few, i, i+1)
	} else if c.many[a] > 1 {
		c.many[a]--
	} else {
		delete(c.many, a)
	}
	return len(c.few)+len(c.many) == 0
}

// some returns at most so many of them, each once or more, and not always the same.
func (c *calls) some(most int) []asked {
	if c == nil {
		return nil
	}
	all := slices.Clone(c.few[:min(len(c.few), most)])
	for a := range c.many {
		if len(all) >= most {
			break
		}
		all = append(all, a)
	}
	return all
}

// asked is what a turn's call has become here: the turn that handles it, or a place
// in line.
type asked struct {
	turn  *Turn
	place Place
}

// Place is where a message stands in line, behind the turn that runs there.
type Place interface {
	// Running returns the turn that runs; nil where that has asked nothing.
	Running() *Turn
}

func stripeOf(number uint64) *stripe { return &stripes[number%uint64(len(stripes))] }

func (s *stripe) add(number uint64, a asked) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked == nil {
		s.asked = map[uint64]*calls{}
	}
	c := s.asked[number]
	if c == nil {
		c = new(calls)
		s.asked[number] = c
	}
	c.add(a)
}

func (s *stripe) remove(number uint64, a asked) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.asked[number]; c != nil && c.remove(a) {
		delete(s.asked, number)
	}
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
		stripeOf(t.By.Number).add(t.By.Number, asked{turn: t})
	}
}

func (t *Turn) forget() {
	s := stripeOf(t.Number)
	s.mu.Lock()
	delete(s.turns, t.Number)
	s.mu.Unlock()
	if t.By != nil {
		stripeOf(t.By.Number).remove(t.By.Number, asked{turn: t})
	}
}

// Queue notes that a call that t waits for stands in line, until Dequeue.
func (t *Turn) Queue(p Place) { stripeOf(t.Number).add(t.Number, asked{place: p}) }

// Dequeue is the end of a Queue.
func (t *Turn) Dequeue(p Place) { stripeOf(t.Number).remove(t.Number, asked{place: p}) }

// Waiting returns the turn of this process with the number if it is one of the
// shard's and waits for a call now.
func Waiting(number uint64, shard uint32) *Turn {
	s := stripeOf(number)
	s.mu.Lock()
	t := s.turns[number]
	s.mu.Unlock()
	if t == nil || t.Shard != shard || !t.own.waitsNow() {
		return nil
	}
	return t
}

// OfShards reports whether t, or a turn that waits for it, is a turn of this process that
// belongs to such a shard and waits now.
func (t *Turn) OfShards(shards func(uint32) bool) bool {
	for t := range t.Line() {
		s := stripeOf(t.Number)
		s.mu.Lock()
		own := s.turns[t.Number]
		s.mu.Unlock()
		if own != nil && shards(own.Shard) && own.own.waitsNow() {
			return true
		}
	}
	return false
}

// WaitsFor returns at most so many of the turns of this process that the turn of the
// number waits for, if they wait themselves: they handle its calls, or run
// where its calls stand in line. It takes what it has looked at from looks, and looks
// at no more than there are.
func WaitsFor(number uint64, most int, looks *int) (turns []*Turn) {
	s := stripeOf(number)
	s.mu.Lock()
	all := s.asked[number].some(*looks)
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
		if t != nil && t.own != nil && t.own.waitsNow() && !slices.Contains(turns, t) {
			turns = append(turns, t)
		}
	}
	return turns
}

// Of returns the turns of this process that belong to shards and wait now, at most so
// many.
func Of(shards func(uint32) bool, most int) (turns []*Turn) {
	for i := range stripes {
		turns = stripes[i].of(shards, turns, most)
	}
	return turns
}

func (s *stripe) of(shards func(uint32) bool, turns []*Turn, most int) []*Turn {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.turns {
		if len(turns) >= most {
			break
		}
		if shards(t.Shard) && t.own.waitsNow() {
			turns = append(turns, t)
		}
	}
	return turns
}

// Asks returns the shards of the calls that t, a turn of this process, waits for now,
// each once.
func (t *Turn) Asks() []uint32 {
	shards := t.own.waitsFor()
	slices.Sort(shards)
	return slices.Compact(shards)
}

// Known returns how many turns of this process have waited and are not over, and how
// many of their calls are known here.
func Known() (turns, calls int) {
	for i := range stripes {
		s := &stripes[i]
		s.mu.Lock()
		turns += len(s.turns)
		for _, c := range s.asked {
			calls += len(c.few)
			for _, n := range c.many {
				calls += n
			}
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
		s := stripeOf(t.Number)
		s.mu.Lock()
		own := s.turns[t.Number]
		s.mu.Unlock()
		if own == nil {
			continue
		}
		if is, by, waits := own.stops(shard); waits && is > role {
			role, told = is, by
		}
	}
	return role, told
}
