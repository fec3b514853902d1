// Writes to a shard's record: claiming it, handing it over, its next epoch

package ownership

import (
	"cmp"

	"github.com/clstr-go/clstr/internal/record"
)

// mayClaim: the node should own the shard, and its owner can serve no more.
func (t *shards) mayClaim(id uint32) bool {
	takes := t.own.state == record.Active && t.own.record.State == record.Active
	if !takes && !t.leaving.stays() || !t.known || !t.lineage.known || t.targets.of(id) != t.self.Ref {
		return false
	}
	s := &t.all[id]
	if s.broken() && !t.own.confirms(s.lostBy) {
		return false // the store may be another, to which this node does not belong
	}
	if s.rec.Owner.IsZero() || t.healing.mayClaim(s) {
		return takes // the last to leave needs none that nobody has
	}
	if m := t.members.all[s.rec.Owner]; m != nil {
		return m.Final()
	}
	// A member that this node does not know may just not have been seen yet. But its record
	// is older than the shard's, so a look at all members that is as new as the shard's record shows it.
	if t.members.asOf >= s.rev {
		t.members.unknown(s.rec.Owner)
	}
	return false
}

func (t *shards) claim(id uint32) {
	s := &t.all[id]
	t.set(id, s.phase, true)
	rec := t.next(s, record.Shard{Owner: t.self.Ref, Why: record.Claimed, From: cmp.Or(s.rec.Owner, s.rec.From)})
	t.write(record.ShardKey(id), s.expects(), rec, func(r Result) { t.written(id, rec, r) })
}

// next counts the epoch of a record that is to be written. It does not count on from a record
// that others may not have seen, because the owner before may still serve the shard.
func (t *shards) next(s *shard, rec record.Shard) record.Shard {
	rec.Base = max(t.lineage.base, s.rec.Base)
	switch {
	case s.found == readable && t.healing.followed(s):
		rec.Count = s.rec.Count + 1
	case s.broken() && !rec.Owner.IsZero():
		rec.Why = record.Healed
	}
	return rec
}

// pass names the next owner: the node that should have it now, which may be this node
// again. An empty cluster leaves the shard to whom comes next.
func (t *shards) pass(id uint32) {
	s := &t.all[id]
	to := t.targets.of(id)
	rec := record.Shard{Owner: to, Why: record.HandedOver, From: t.self.Ref, PausedUs: (t.now - s.since).Microseconds(), Cost: s.cost}
	if to.IsZero() {
		rec.Why = record.Released
	}
	rec = t.next(s, rec)
	t.set(id, s.phase, true)
	t.write(record.ShardKey(id), s.expects(), rec, func(r Result) { t.written(id, rec, r) })
}

// written hears how a write of a shard's record has ended. If it has failed, or may have,
// the record itself says what holds.
func (t *shards) written(id uint32, to record.Shard, r Result) {
	s := &t.all[id]
	if r.Status == Done {
		t.set(id, s.phase, false)
		t.learn(id, to, r.Rev)
		return
	}
	t.read(record.ShardKey(id), func(r Result) {
		s.again = t.now + retryAfter // unless the record has changed
		t.set(id, s.phase, false)
		if r.Status == Done && r.Entries[0].Rev > 0 { // a replica that is late has none
			t.see(id, r.Entries[0])
		}
	})
}
