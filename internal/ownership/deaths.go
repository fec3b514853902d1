// Which members are dead, and whose records are removed

package ownership

import (
	"time"

	"github.com/clstr-go/clstr/internal/record"
)

// deaths declares members dead, and removes the records of members that have gone long ago.
type deaths struct {
	*operations
	own     *own
	members *members
	shards  *shards
	looks   *looks
}

// watch declares members dead whose leases have ended. It writes on the very version that
// has not changed for so long, so a renewal that comes first wins.
func (d *deaths) watch() {
	sinceOK := d.now - d.own.lastOK
	if !d.own.valid() || sinceOK > 2*d.self.Timing.Renew {
		return
	}
	late := func(wait time.Duration) func(record.Ref, *member) bool {
		return func(ref record.Ref, m *member) bool {
			return ref != d.self.Ref && !m.Final() && !m.accusing && m.stale+min(sinceOK, d.now-m.seen) >= d.members.leaseOf(m)+d.self.Timing.Delta+wait
		}
	}
	if !d.members.some(late(0)) {
		return
	}
	wait := time.Duration(d.members.rank()) * 200 * time.Millisecond
	for ref, m := range d.members.which(late(wait)) {
		d.accuse(ref, m)
	}
}

func (d *deaths) accuse(ref record.Ref, m *member) {
	dead := m.Member
	dead.State, dead.By = record.Dead, d.self.Ref
	m.accusing = true
	d.write(record.MemberKey(ref), m.expects(), dead, func(r Result) {
		m.accusing = false
		switch r.Status {
		case Done:
			d.emit(Declared{ref, m.ended})
			d.members.put(ref, dead, r.Rev)
			d.members.spoil(ref, readable)
		case Conflict: // it lives, or another was faster
			d.looks.at(record.MemberKey(ref))
		}
	})
}

// forgetOld removes the records of members that have gone long ago and own nothing any more. Only
// the first of the active members does that.
func (d *deaths) forgetOld() {
	old := func(_ record.Ref, m *member) bool {
		return m.Final() && d.now-m.finalAt > d.self.Timing.Forget && !m.accusing
	}
	if !d.own.valid() || d.own.state != record.Active || !d.shards.known || !d.members.some(old) || d.members.rank() > 0 {
		return
	}
	owners := d.shards.owners()
	for ref, m := range d.members.which(old) {
		if owners[ref] {
			continue
		}
		m.accusing = true
		d.write(record.MemberKey(ref), m.rev, nil, func(r Result) {
			m.accusing = false
			if r.Status == Done {
				d.members.removed(ref, r.Rev)
			}
		})
	}
}
