// The other members: which are late, and which nodes declare them dead

package ownership

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/sharding"
)

// members is the node's view of all members, its own record included. A view may
// be old: what it leads to is decided by the store.
type members struct {
	all     map[Ref]*member
	asOf    uint64 // the revision up to which a snapshot has shown every member
	polling bool
	pollAt  time.Duration

	changed bool // states or names have: targets may
	saw     bool // one has seen more of the shards
	assign  *sharding.Assignment
	weights map[string]float64 // by name: those that assign knows
	targets map[string]Ref     // by name: its newest incarnation that takes shards
	wanted  int                // of all shards: how many are this node's by that
	stayer  Ref                // the one of those that leave which takes the others' shards; see last.go
}

// member is another's record and how long it has not changed while the store was
// seen to work.
type member struct {
	Member
	rev      uint64
	first    uint64        // of the first version that was seen
	seen     time.Duration // when this version was
	stale    time.Duration
	accusing bool     // a write that declares it dead is under way
	stands   standing // what this version is: see spoiled.go
	finalAt  time.Duration
}

func (m *members) init(self Self) (err error) {
	m.all = map[Ref]*member{}
	m.weights, m.targets = map[string]float64{}, map[string]Ref{}
	m.assign, err = sharding.NewAssignment(self.Layout, nil)
	return err
}

// put takes a version of a record if it is new.
func (m *members) put(ref Ref, rec Member, rev uint64, now time.Duration) {
	old := m.all[ref]
	if old == nil {
		old = &member{first: rev, stands: readable}
		m.all[ref] = old
		m.changed = true
	} else if rev <= old.rev {
		return
	}
	if old.State != rec.State || old.Weight != rec.Weight {
		m.changed = true
	}
	if rec.Final() && !old.Final() {
		old.finalAt = now
	}
	if rec.Born == 0 {
		rec.Born = cmp.Or(old.Born, rev)
	}
	if rec.State == Leaving && rec.Leaves == 0 {
		rec.Leaves = cmp.Or(old.Leaves, rev)
	}
	m.saw = m.saw || rec.Seen > old.Seen
	old.Member, old.rev, old.seen, old.stale = rec, rev, now, 0
}

// seeMember takes a hint, or a record of a snapshot.
func (c *Core) seeMember(ref Ref, e Entry) {
	if ref == c.self.Ref {
		c.seeOwn(e)
		return
	}
	known := c.members.all[ref]
	switch {
	case known != nil && e.Rev <= known.rev, known == nil && e.Rev <= c.members.asOf:
		return
	case e.Value == nil:
		c.removed(ref, e.Rev)
		return
	}
	rec, err := membership.Decode[Member](e.Value)
	stands := readable
	if err != nil {
		stands = unreadable
		if known != nil {
			rec = known.Member
		}
	}
	c.members.put(ref, rec, e.Rev, c.now)
	c.spoil(ref, stands)
	c.giveWayTo(ref)
}

func (m *members) forget(ref Ref) {
	if m.all[ref] != nil {
		delete(m.all, ref)
		m.changed = true
	}
}

// giveWayTo leaves when a process with the node's name has come later and takes
// shards: the store says which is the later.
func (c *Core) giveWayTo(ref Ref) {
	o := &c.own
	m := c.members.all[ref]
	if ref.Name != c.self.Name || o.rev == 0 || m.State != Active || !o.superseded.IsZero() || m.Born < o.record.Born {
		return
	}
	o.superseded = ref
	c.emit(Superseded{ref})
	c.leave(0)
}

// pollIfDue looks at all records, in case a hint was lost.
func (c *Core) pollIfDue() {
	m := &c.members
	if c.own.rev == 0 {
		return
	}
	if !m.polling && c.now >= m.pollAt {
		m.polling = true
		m.pollAt = c.now + c.self.Timing.Poll
		c.do(func(op uint64) Effect { return Snapshot{op, MemberPrefix} }, c.polledMembers)
	}
	if s := &c.shards; !s.polling && c.now >= s.pollAt {
		s.polling, s.polledAt = true, c.now
		s.pollAt = c.now + c.self.Timing.ShardPoll
		c.lineage.look()
		c.do(func(op uint64) Effect { return Snapshot{op, ShardPrefix} }, c.polledShards)
	}
}

func (c *Core) polledMembers(r Result) {
	m := &c.members
	m.polling = false
	if r.Status != Done {
		return
	}
	c.see(r.Entries)
	if c.gone {
		return
	}
	c.missing(r)
	c.lineage.note(r.AsOf)
	if r.AsOf > m.asOf {
		m.asOf = r.AsOf
		c.shards.dirty = true // an owner whose record is not there may be gone
	}
	if m.asOf >= c.own.rev {
		c.joinIfSettled()
	}
	if c.own.state == Leaving && !c.lookedAround() {
		m.pollAt = c.now
	}
	c.forgetOld(r)
}

// missing takes from a snapshot that it does not contain members that it should: they
// were removed.
func (c *Core) missing(snapshot Result) {
	there := make(map[Ref]bool, len(snapshot.Entries))
	for _, e := range snapshot.Entries {
		ref, _ := ParseMemberKey(e.Key)
		there[ref] = e.Value != nil
	}
	for ref, m := range c.members.all {
		switch {
		case m.rev > snapshot.AsOf || there[ref] || ref == c.self.Ref:
		case m.Final(): // it was so for long
			c.members.forget(ref)
		case m.stands != missing:
			c.removed(ref, snapshot.AsOf)
		}
	}
}

// liveTick is called when the own renewal has succeeded: the store works, so
// others could have renewed too. Time in which it did not is nobody's fault.
func (c *Core) liveTick() {
	o := &c.own
	dt := c.now - o.lastOK
	for _, m := range c.members.all {
		if dt > 2*c.self.Timing.Renew {
			m.stale = 0
		} else {
			m.stale += min(dt, c.now-m.seen)
		}
	}
}

// watchOthers declares those dead whose lease has ended, by a write on the very
// version that has been standing for so long: a renewal that comes first wins.
func (c *Core) watchOthers() {
	o, t := &c.own, c.self.Timing
	sinceOK := c.now - o.lastOK
	if !c.valid() || sinceOK > 2*t.Renew {
		return
	}
	late := func(ref Ref, m *member, by time.Duration) bool {
		return ref != c.self.Ref && !m.Final() && !m.accusing && m.stale+min(sinceOK, c.now-m.seen) >= c.leaseOf(m)+t.Delta+by
	}
	any := false // mostly none is, and it is a walk in order that costs something
	for ref, m := range c.members.all {
		any = any || late(ref, m, 0)
	}
	if !any {
		return
	}
	wait := time.Duration(c.rank()) * 200 * time.Millisecond
	for ref, m := range c.inOrder() {
		if late(ref, m, wait) {
			c.accuse(ref, m)
		}
	}
}

func (c *Core) accuse(ref Ref, m *member) {
	dead := m.Member
	dead.State, dead.By = Dead, c.self.Ref
	m.accusing = true
	c.write(MemberKey(ref), m.expects(), dead, func(r Result) {
		m.accusing = false
		switch r.Status {
		case Done:
			c.emit(Declared{ref})
			c.members.put(ref, dead, r.Rev, c.now)
			c.spoil(ref, readable)
		case Conflict: // it lives, or another was faster
			c.read(MemberKey(ref), func(r Result) {
				if r.Status == Done {
					c.see(r.Entries)
				}
			})
		}
	})
}

// rank spreads those who see the same death, so that mostly one writes.
func (c *Core) rank() (rank int) {
	for ref, m := range c.members.all {
		if m.State == Active && m.stale < 2*c.self.Timing.Renew && ref.String() < c.self.String() {
			rank++
		}
	}
	return rank
}

// inOrder makes what a core does depend on nothing but its events.
func (c *Core) inOrder() func(yield func(Ref, *member) bool) {
	refs := slices.SortedFunc(maps.Keys(c.members.all), func(a, b Ref) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Incarnation, b.Incarnation))
	})
	return func(yield func(Ref, *member) bool) {
		for _, ref := range refs {
			if m := c.members.all[ref]; m != nil && !yield(ref, m) {
				return
			}
		}
	}
}

// forgetOld removes records of the long gone, which own nothing any more. Only
// the first of the active does.
func (c *Core) forgetOld(snapshot Result) {
	if !c.valid() || c.own.state != Active || c.rank() > 0 || !c.shards.known {
		return
	}
	owners := map[Ref]bool{}
	for i := range c.shards.all {
		owners[c.shards.all[i].rec.Owner] = true
	}
	for ref, m := range c.inOrder() {
		if m.Final() && c.now-m.finalAt > c.self.Timing.Forget && !owners[ref] && !m.accusing {
			m.accusing = true
			c.write(MemberKey(ref), m.rev, nil, func(r Result) {
				m.accusing = false
				if r.Status == Done {
					c.removed(ref, r.Rev)
				}
			})
		}
	}
}
