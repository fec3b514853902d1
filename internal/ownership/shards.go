// What is known of the shards, and what the node does about each

package ownership

import (
	"cmp"
	"time"

	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership"

	"github.com/clstr-go/clstr/outcome"
)

// shards is the node's view of all shards, and what it does about each.
type shards struct {
	*operations
	own     *own
	members *members
	targets *targets
	leaving *leaving
	healing *healing
	lineage *lineage

	all     []shard
	known   bool     // a snapshot has shown them
	asOf    uint64   // the revision up to which one has
	dirty   bool     // look at all of them
	touched []uint32 // look at these
	busy    int      // how many are in a phase other than idle, or being claimed
	moving  int      // of those, how many are on their way out
	pending int      // how many are being opened, or written
	settled bool     // Settled was told
	awaited int      // see othersHaveOne
}

// phase is where a shard is in its life on this node:
//
//	idle -> opening -> serving -> draining -> passing -> idle
//
// and from each of them back to idle when the record shows another owner.
type phase uint8

const (
	idle     phase = iota // owned by another node, or by none
	opening               // ours by record; Open is under way
	serving               // Opened
	draining              // Close is under way
	passing               // closed; the record is to name the next owner
)

// shard is one shard as the node sees it.
type shard struct {
	rec    record.Shard  // the last that was readable
	rev    uint64        // up to which it is known what is there
	found  content       // what is there
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
func (t *shards) set(id uint32, p phase, op bool) {
	s := &t.all[id]
	t.busy += btoi(p != idle || op) - btoi(s.phase != idle || s.op)
	t.pending += btoi(p == opening || op) - btoi(s.phase == opening || s.op)
	moved := btoi(p >= draining) - btoi(s.phase >= draining)
	t.moving += moved
	s.phase, s.op = p, op
	if moved < 0 {
		t.dirty = true // there is room for another
	}
	t.touched = append(t.touched, id)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// reconcileChanged looks at the shards about which something has changed.
func (t *shards) reconcileChanged() {
	for t.dirty || len(t.touched) > 0 {
		all := t.dirty
		t.dirty = false
		if all {
			t.touched = t.touched[:0]
			t.healing.waiting = false
			for i := range t.all {
				t.reconcile(uint32(i))
			}
			continue
		}
		id := t.touched[len(t.touched)-1]
		t.touched = t.touched[:len(t.touched)-1]
		t.reconcile(id)
	}
}

// reconcile does the next step of a shard.
func (t *shards) reconcile(id uint32) {
	s := &t.all[id]
	switch s.phase {
	case idle:
		switch {
		case s.op || !t.own.valid() || t.own.record.State == record.Left: // once others know that it has left they claim what it owns
		case s.found == readable && s.rec.Owner == t.self.Ref: // handed to us, or claimed by a write whose answer was lost
			if t.healing.mayOpen(s) {
				t.open(id)
			}
		case t.now >= s.again && t.mayClaim(id):
			t.claim(id)
		}
	case opening, serving:
		if s.phase == opening && t.own.record.State != record.Leaving {
			return // what cannot be opened does not hold up a leave
		}
		if t.own.valid() && t.shouldMove(s, t.targets.of(id)) {
			t.set(id, draining, s.op)
			s.since = t.now
			t.emit(Close{Shard: id, Epoch: s.epoch, Drain: true, Final: t.targets.of(id).IsZero()})
		}
	case passing:
		if !s.op && t.now >= s.again && !t.lineage.doubted {
			t.pass(id)
		}
	}
}

func (t *shards) open(id uint32) {
	s := &t.all[id]
	s.epoch = s.rec.Epoch
	t.set(id, opening, s.op)
	t.emit(Open{Shard: id, Epoch: s.epoch, Why: s.rec.Why, Paused: time.Duration(s.rec.PausedUs) * time.Microsecond})
}

func (t *shards) opened(id uint32, epoch uint64) {
	s := &t.all[id]
	if s.phase == opening && s.epoch == epoch {
		s.since = t.now
		t.set(id, serving, s.op)
	}
}

// shouldMove: another should own the shard, it has been here long enough, and
// not too many are on their way.
func (t *shards) shouldMove(s *shard, to record.Ref) bool {
	most := t.self.Timing.MaxMoves
	switch {
	case s.broken() && t.own.confirms(s.lostBy), s.rec.Base < t.lineage.base:
		// to be written anew, or above what was forgotten
	case to == t.self.Ref, t.own.leaves() && !t.leaving.lookedAround():
		return false
	case t.own.state == record.Leaving || t.own.record.State == record.Leaving:
		if most *= 2; to.IsZero() {
			return true // the last node's shards end together
		}
	case to.IsZero():
		return false // no node takes shards at the moment
	case !s.rec.From.IsZero() && t.now-s.since < t.self.Timing.Residency && !t.members.forming():
		return false
	}
	return t.moving < most
}

// closed hands the shard over: nothing of it runs here any more.
func (t *shards) closed(e Closed) {
	s := &t.all[e.Shard]
	if s.phase == draining && s.epoch == e.Epoch {
		s.cost = e.Cost
		t.set(e.Shard, passing, s.op)
	}
}

// see takes a hint, or a record that was read.
func (t *shards) see(id uint32, e membership.Entry) {
	if e.Rev <= t.all[id].rev {
		return
	}
	if e.Value == nil {
		t.healing.lost(id, missing, e.Rev)
		return
	}
	rec, err := record.DecodeShard(e)
	if err != nil {
		t.healing.lost(id, unreadable, e.Rev)
		return
	}
	t.learn(id, rec, e.Rev)
}

// learn hears of a version of the record. One that does not name this node and
// its epoch ends the node's part.
func (t *shards) learn(id uint32, rec record.Shard, rev uint64) {
	s := &t.all[id]
	if rev <= s.rev {
		return
	}
	rec = rec.At(rev)
	s.anew = rec.Count == rev
	s.rec, s.rev, s.found, s.seenBy, s.again, s.older = rec, rev, readable, t.own.record.Counter, 0, 0
	t.lineage.past.Epoch = max(t.lineage.past.Epoch, rec.Epoch)
	t.healing.note(s)
	t.emit(Route{id, rec})
	if rec.Why == record.Healed && cmp.Or(rec.From, rec.Owner) == t.self.Ref {
		t.emit(Mended{id, rec})
	}
	t.touched = append(t.touched, id)
	if s.phase == idle || rec.Owner == t.self.Ref && rec.Epoch == s.epoch {
		return
	}
	if s.phase == passing { // as it was meant to be
		t.emit(Moved{Shard: id, Epoch: rec.Epoch, To: rec.Owner})
	} else {
		t.emit(Close{Shard: id, Epoch: s.epoch})
	}
	t.set(id, idle, s.op)
}

// settledIfServing tells once that the node serves what it should.
func (t *shards) settledIfServing() {
	if t.settled || t.pending > 0 || !t.known || t.own.state != record.Active {
		return
	}
	for i := range t.all {
		if t.all[i].phase != serving && t.targets.of(uint32(i)) == t.self.Ref {
			return
		}
	}
	t.settled = true
	t.emit(Settled{})
}

// end is the end of this incarnation. A renewal of it may still be on its way,
// and cannot change a record that is final.
func (t *shards) end(gone Gone) {
	t.gone = true
	t.closeAll()
	t.emit(gone)
}

func (t *shards) closeAll() {
	for i := range t.all {
		if s := &t.all[i]; s.phase != idle {
			t.emit(Close{Shard: uint32(i), Epoch: s.epoch})
			t.set(uint32(i), idle, false)
		}
	}
}

// changed reports whether something is to be looked at.
func (t *shards) changed() bool { return t.dirty || len(t.touched) > 0 }

// owners are the members that own shards.
func (t *shards) owners() map[record.Ref]bool {
	owners := map[record.Ref]bool{}
	for i := range t.all {
		owners[t.all[i].rec.Owner] = true
	}
	return owners
}

// othersHaveOne reports whether another member has a shard. It begins where it has last
// found one.
func (t *shards) othersHaveOne() bool {
	for range t.all {
		if s := &t.all[t.awaited]; s.found == readable && !s.rec.Owner.IsZero() && s.rec.Owner != t.self.Ref {
			return true
		}
		t.awaited = (t.awaited + 1) % len(t.all)
	}
	return false
}
