// Members whose records were overwritten or removed by hand

package ownership

import "github.com/clstr-go/clstr/internal/record"

// Member records that no node has written, because they were overwritten or removed by
// hand, for example. A node whose own record is spoiled cannot know what stood there before: it
// may have been declared dead. So it ends this incarnation, and says in the record
// that it is dead, because no other node may know what it owns. If it cannot say so, others wait.
// Nodes remove the records of members that have gone for long. Any other member whose
// record was removed may serve on until it notices, or its lease ends. It is declared dead
// when the record has been away for as long as the lease that it was known to have, or as
// the longest lease if nothing was known of it. That counts from when the observer sees
// that the record is away, not from the last renewal that it has seen: it may have missed
// one, and no write at the version that it knows would tell.

// spoil notes what the version of a member's record is, and tells of a change. Of those
// that have gone it does not matter.
func (m *members) spoil(ref record.Ref, found content) {
	other := m.all[ref]
	if other.Final() {
		found = readable
	}
	if other.found != found {
		other.found = found
		m.emit(Spoiled{Member: ref, Mended: found == readable, Removed: found == missing})
	}
}

// removed takes that a member's record is there no more.
func (m *members) removed(ref record.Ref, rev uint64) {
	if other := m.all[ref]; other != nil {
		m.put(ref, other.Member, rev)
		m.spoil(ref, missing)
	}
}

// unknown begins to wait for the end of a member's lease. Nothing is known about it except
// that it owns a shard, and that its record was removed.
func (m *members) unknown(ref record.Ref) {
	m.put(ref, record.Member{}, m.asOf)
	m.spoil(ref, missing)
}

// expects is the revision on which the record is to be written.
func (m *member) expects() uint64 {
	if m.found == missing {
		return 0
	}
	return m.rev
}

// bury ends this incarnation because its own record is spoiled: it is at a revision, or
// was removed, which is 0.
func (o *own) bury(rev uint64) {
	o.emit(Spoiled{Member: o.self.Ref, Removed: rev == 0})
	o.shards.closeAll() // before another may claim them
	dead := o.record
	dead.State, dead.By = record.Dead, o.self.Ref
	o.emit(Write{Key: o.key, Rev: rev, Value: record.Encode(dead)})
	o.shards.end(Gone{State: record.Dead, By: o.self.Ref})
}
