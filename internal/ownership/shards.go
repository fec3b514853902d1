// The shards: opening, handing over

package ownership

import (
	"cmp"
	"time"

	"github.com/clstr-go/clstr/outcome"
)

// shards is the node's view of all shards, and what it does about each.
type shards struct {
	all      []shard
	known    bool   // a snapshot has shown them
	asOf     uint64 // the revision up to which one has
	polling  bool
	pollAt   time.Duration
	polledAt time.Duration
	dirty    bool     // look at all of them
	touched  []uint32 // look at these
	busy     int      // how many are in a phase other than idle, or being claimed
	moving   int      // of those, how many are on their way out
	pending  int      // how many are being opened, or written
	settled  bool     // Settled was told
	awaited  int      // see awaits
}

// phase is where a shard is in its life on this node:
//
//	idle -> opening -> serving -> draining -> passing -> idle
//
// and from each of them back to idle when the record shows another owner.
type phase uint8

const (
	idle     phase = iota // another's, or nobody's
	opening               // ours by record; Open is under way
	serving               // Opened
	draining              // Close is under way
	passing               // closed; the record is to name the next owner
)

// shard is one shard as the node sees it.
type shard struct {
	rec    Shard         // the last that was readable
	rev    uint64        // up to which it is known what is there
	stands standing      // what is there
	anew   bool          // rec follows on nothing: see healing
	seenBy uint64        // the counter of the last renewal that was sent before rec was seen
	lostAt time.Duration // when it was found broken
	lostBy uint64        // as seenBy
	older  time.Duration // when a snapshot first had an older version than it should; 0: it had not

	phase phase         // set writes it
	epoch uint64        // the one that is held, in a phase other than idle
	since time.Duration // when serving began; when draining did
	op    bool          // a write or read of the record is under way; set writes it
	again time.Duration // when a write that has failed may be tried again

	cost outcome.DrainCounts // of the drain that has ended
}

// set changes where a shard is, and the counts with it.
func (c *Core) set(id uint32, p phase, op bool) {
	s := &c.shards.all[id]
	c.shards.busy += btoi(p != idle || op) - btoi(s.phase != idle || s.op)
	c.shards.pending += btoi(p == opening || op) - btoi(s.phase == opening || s.op)
	moved := btoi(p >= draining) - btoi(s.phase >= draining)
	c.shards.moving += moved
	s.phase, s.op = p, op
	if moved < 0 {
		c.shards.dirty = true // there is room for another
	}
	c.shards.touched = append(c.shards.touched, id)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// reconcileChanged looks at the shards about which something has changed.
func (c *Core) reconcileChanged() {
	s := &c.shards
	for s.dirty || len(s.touched) > 0 {
		all := s.dirty
		s.dirty = false
		if all {
			s.touched = s.touched[:0]
			c.healing.waiting = false
			for i := range s.all {
				c.reconcile(uint32(i))
			}
			continue
		}
		id := s.touched[len(s.touched)-1]
		s.touched = s.touched[:len(s.touched)-1]
		c.reconcile(id)
	}
}

// reconcile does the next step of a shard.
func (c *Core) reconcile(id uint32) {
	s := &c.shards.all[id]
	switch s.phase {
	case idle:
		switch {
		case s.op || !c.valid() || c.own.record.State == Left: // once others know that it has left they claim what it owns
		case s.stands == readable && s.rec.Owner == c.self.Ref: // handed to us, or claimed by a write whose answer was lost
			if c.healing.mayOpen(s) {
				c.open(id)
			}
		case c.now >= s.again && c.mayClaim(id):
			c.claim(id)
		}
	case opening, serving:
		if s.phase == opening && c.own.record.State != Leaving {
			return // what cannot be opened does not hold up a leave
		}
		if c.valid() && c.shouldMove(s, c.target(id)) {
			c.set(id, draining, s.op)
			s.since = c.now
			c.emit(Close{Shard: id, Epoch: s.epoch, Drain: true, Final: c.target(id).IsZero()})
		}
	case passing:
		if !s.op && c.now >= s.again && !c.lineage.doubted {
			c.pass(id)
		}
	}
}

// settle takes the end of a write to a shard's record: where it failed, or may
// have, the record itself says what holds.
func (c *Core) settle(id uint32, written Shard, r Result) {
	s := &c.shards.all[id]
	if r.Status == Done {
		c.set(id, s.phase, false)
		c.takeShard(id, written, r.Rev)
		return
	}
	c.read(ShardKey(id), func(r Result) {
		s.again = c.now + retryAfter // unless the record has changed
		c.set(id, s.phase, false)
		if r.Status == Done && r.Entries[0].Rev > 0 { // a replica that is late has none
			c.seeShard(id, r.Entries[0])
		}
	})
}

func (c *Core) open(id uint32) {
	s := &c.shards.all[id]
	s.epoch = s.rec.Epoch
	c.set(id, opening, s.op)
	c.emit(Open{Shard: id, Epoch: s.epoch, Why: s.rec.Why, Paused: time.Duration(s.rec.PausedUs) * time.Microsecond})
}

func (c *Core) opened(id uint32, epoch uint64) {
	s := &c.shards.all[id]
	if s.phase == opening && s.epoch == epoch {
		s.since = c.now
		c.set(id, serving, s.op)
	}
}

// shouldMove: another should own the shard, it has been here long enough, and
// not too many are on their way.
func (c *Core) shouldMove(s *shard, to Ref) bool {
	most := c.self.Timing.MaxMoves
	switch {
	case s.broken() && c.own.confirms(s.lostBy), s.rec.Base < c.lineage.base:
		// to be written anew, or above what was forgotten
	case to == c.self.Ref, c.Leaving() && !c.lookedAround():
		return false
	case c.own.state == Leaving || c.own.record.State == Leaving:
		if most *= 4; to.IsZero() {
			return true // the last node's shards end together
		}
	case to.IsZero():
		return false // nobody takes shards at the moment
	case !s.rec.From.IsZero() && c.now-s.since < c.self.Timing.Residency && !c.forming():
		return false
	}
	return c.shards.moving < most
}

// closed hands the shard over: nothing of it runs here any more.
func (c *Core) closed(e Closed) {
	s := &c.shards.all[e.Shard]
	if s.phase == draining && s.epoch == e.Epoch {
		s.cost = e.Cost
		c.set(e.Shard, passing, s.op)
	}
}

// pass names the next owner: who should have it now, which may be this node
// again. An empty cluster leaves the shard to whom comes next.
func (c *Core) pass(id uint32) {
	s := &c.shards.all[id]
	to := c.target(id)
	rec := Shard{Owner: to, Why: HandedOver, From: c.self.Ref, PausedUs: (c.now - s.since).Microseconds(), Cost: s.cost}
	if to.IsZero() {
		rec.Why = Released
	}
	rec = c.next(s, rec)
	c.set(id, s.phase, true)
	c.write(ShardKey(id), s.expects(), rec, func(r Result) { c.settle(id, rec, r) })
}

// seeShard takes a hint, or a record that was read.
func (c *Core) seeShard(id uint32, e Entry) {
	if e.Rev <= c.shards.all[id].rev {
		return
	}
	if e.Value == nil {
		c.healing.lost(id, missing, e.Rev)
		return
	}
	rec, err := DecodeShard(e)
	if err != nil {
		c.healing.lost(id, unreadable, e.Rev)
		return
	}
	c.takeShard(id, rec, e.Rev)
}

// takeShard takes a version of the record. One that does not name this node and
// its epoch ends the node's part.
func (c *Core) takeShard(id uint32, rec Shard, rev uint64) {
	s := &c.shards.all[id]
	if rev <= s.rev {
		return
	}
	rec = rec.At(rev)
	s.anew = rec.Count == rev
	s.rec, s.rev, s.stands, s.seenBy, s.again, s.older = rec, rev, readable, c.own.record.Counter, 0, 0
	c.lineage.past.Epoch = max(c.lineage.past.Epoch, rec.Epoch)
	c.healing.note(s)
	c.emit(Route{id, rec})
	if rec.Why == Healed && cmp.Or(rec.From, rec.Owner) == c.self.Ref {
		c.emit(Mended{id, rec})
	}
	c.shards.touched = append(c.shards.touched, id)
	if s.phase == idle || rec.Owner == c.self.Ref && rec.Epoch == s.epoch {
		return
	}
	if s.phase == passing { // as it was meant to be
		c.emit(Moved{Shard: id, Epoch: rec.Epoch, To: rec.Owner})
	} else {
		c.emit(Close{Shard: id, Epoch: s.epoch})
	}
	c.set(id, idle, s.op)
}

// settledIfServing tells once that the node serves what it should.
func (c *Core) settledIfServing() {
	s := &c.shards
	if s.settled || s.pending > 0 || !s.known || c.own.state != Active {
		return
	}
	for i := range s.all {
		if s.all[i].phase != serving && c.target(uint32(i)) == c.self.Ref {
			return
		}
	}
	s.settled = true
	c.emit(Settled{})
}

func (c *Core) polledShards(r Result) {
	c.shards.polling = false
	if r.Status != Done {
		return
	}
	c.shards.known = true
	c.see(r.Entries)
	if c.gone {
		return
	}
	c.lineage.compare(r)
	c.healing.absent(r)
	c.shards.asOf = max(c.shards.asOf, r.AsOf)
	if c.members.asOf >= c.own.rev {
		c.joinIfSettled()
	}
	c.shards.dirty = true
}
