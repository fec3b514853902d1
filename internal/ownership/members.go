// What is known of the members' records

package ownership

import (
	"cmp"
	"slices"
	"time"

	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership"
)

// members is the node's view of all members, its own record included. The view may
// be old. That is safe, because the store decides whether a write that follows from it holds.
type members struct {
	*operations
	all  map[record.Ref]*member
	asOf uint64 // the revision up to which a snapshot has shown every member

	changed bool // states or names have: targets may
	saw     bool // one has seen more of the shards
}

// member is another's record and how long it has not changed while the store was
// seen to work.
type member struct {
	record.Member
	rev      uint64
	first    uint64        // of the first version that was seen
	seen     time.Duration // when this version was
	stale    time.Duration
	accusing bool    // a write that declares it dead, or removes its record, is under way
	found    content // what this version is: see spoiled.go
	finalAt  time.Duration
	ended    bool // see succession.go
	heir     bool // this node is to take its shards
}

// put takes a version of a record if it is new.
func (m *members) put(ref record.Ref, rec record.Member, rev uint64) {
	old := m.all[ref]
	if old == nil {
		old = &member{first: rev, found: readable}
		m.all[ref] = old
		m.changed = true
	} else if rev <= old.rev {
		return
	}
	if old.State != rec.State || old.Weight != rec.Weight {
		m.changed = true
	}
	if rec.Final() && !old.Final() {
		old.finalAt = m.now
	}
	if rec.Born == 0 {
		rec.Born = cmp.Or(old.Born, rev)
	}
	if rec.State == record.Leaving && rec.Leaves == 0 {
		rec.Leaves = cmp.Or(old.Leaves, rev)
	}
	m.saw = m.saw || rec.Seen > old.Seen
	old.Member, old.rev, old.seen, old.stale = rec, rev, m.now, 0
}

// see takes a hint of another member, or its record in a snapshot, and reports whether
// the record is there and new.
func (m *members) see(ref record.Ref, e membership.Entry) bool {
	known := m.all[ref]
	switch {
	case known != nil && e.Rev <= known.rev, known == nil && e.Rev <= m.asOf:
		return false
	case e.Value == nil:
		m.removed(ref, e.Rev)
		return false
	}
	rec, err := record.Decode[record.Member](e.Value)
	found := readable
	if err != nil {
		found = unreadable
		if known != nil {
			rec = known.Member
		}
	}
	m.put(ref, rec, e.Rev)
	m.spoil(ref, found)
	return true
}

// missing takes from a snapshot that it does not contain members that it should: they
// were removed.
func (m *members) missing(snapshot Result) {
	there := make(map[record.Ref]bool, len(snapshot.Entries))
	for _, e := range snapshot.Entries {
		ref, _ := record.ParseMemberKey(e.Key)
		there[ref] = e.Value != nil
	}
	lacks := func(ref record.Ref, known *member) bool {
		return known.rev <= snapshot.AsOf && !there[ref] && ref != m.self.Ref && (known.Final() || known.found != missing)
	}
	for ref, known := range m.which(lacks) {
		if known.Final() { // it was so for long
			m.forget(ref)
		} else {
			m.removed(ref, snapshot.AsOf)
		}
	}
}

// forget drops a record.
func (m *members) forget(ref record.Ref) {
	if m.all[ref] != nil {
		delete(m.all, ref)
		m.changed = true
	}
}

// sawAll takes that a snapshot has shown every member up to a revision, and reports
// whether that is new.
func (m *members) sawAll(asOf uint64) bool {
	newer := asOf > m.asOf
	m.asOf = max(m.asOf, asOf)
	return newer
}

// elapse is called when the node's own renewal has succeeded. The store works, so other members
// could have renewed too since the renewal before. The time of a store outage counts against no
// member.
func (m *members) elapse(since time.Duration) {
	for _, other := range m.all {
		if since > 2*m.self.Timing.Renew {
			other.stale = 0
		} else {
			other.stale += min(since, m.now-other.seen)
		}
	}
}

// which returns the members for which is holds. Their order makes the core's actions
// depend on nothing but its events. Mostly there are none.
func (m *members) which(is func(record.Ref, *member) bool) func(yield func(record.Ref, *member) bool) {
	var refs []record.Ref
	for ref, other := range m.all {
		if is(ref, other) {
			refs = append(refs, ref)
		}
	}
	slices.SortFunc(refs, func(a, b record.Ref) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Incarnation, b.Incarnation))
	})
	return func(yield func(record.Ref, *member) bool) {
		for _, ref := range refs {
			if !yield(ref, m.all[ref]) {
				return
			}
		}
	}
}

// some reports whether is holds for a member.
func (m *members) some(is func(record.Ref, *member) bool) bool {
	for ref, other := range m.all {
		if is(ref, other) {
			return true
		}
	}
	return false
}

// rank spreads the nodes that see the same death, so that mostly one writes.
func (m *members) rank() (rank int) {
	for ref, other := range m.all {
		if other.State == record.Active && other.stale < 2*m.self.Timing.Renew && ref.String() < m.self.String() {
			rank++
		}
	}
	return rank
}

// forming reports whether the cluster is new: no member has been in it for longer than the time
// that shards stay. Shards then go at once to the nodes that join.
func (m *members) forming() bool {
	old := uint64(m.self.Timing.Residency/m.self.Timing.Renew) + 1
	return !m.some(func(_ record.Ref, other *member) bool { return other.State == record.Active && other.Counter > old })
}

// lastToLeave is the member that was the last to say that it leaves, among those that have
// not gone. Zero is none.
func (m *members) lastToLeave() (last record.Ref) {
	for ref, other := range m.all {
		if other.State != record.Leaving {
			continue
		}
		if at := m.all[last]; at == nil || cmp.Or(cmp.Compare(other.Leaves, at.Leaves), cmp.Compare(ref.String(), last.String())) > 0 {
			last = ref
		}
	}
	return last
}

// leaseOf is how long a member may serve after a version of its record was written.
func (m *members) leaseOf(other *member) time.Duration {
	if other.LeaseMs <= 0 {
		return m.longestLease()
	}
	return other.Lease()
}

// longestLease is the longest lease that a member may have, if those whose records do
// not say theirs have that of a preset, or this node's own.
func (m *members) longestLease() time.Duration {
	longest := m.self.Timing.Lease
	for _, other := range m.all {
		switch {
		case other.Final():
		case other.LeaseMs <= 0:
			longest = max(longest, membership.CalmTiming.Lease)
		default:
			longest = max(longest, other.Lease())
		}
	}
	return longest
}
