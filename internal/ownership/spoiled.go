// Members whose records somebody has overwritten or removed

package ownership

import (
	"time"

	"github.com/clstr-go/clstr/membership"
)

// Member records that no node has written: somebody has overwritten or removed them by
// hand, say. A node whose own record is spoiled cannot know what stood there before, which
// may be that it was declared dead. So it ends this incarnation, and says in the record
// that it is dead: nobody else may know what it owns. Where it cannot say so, others wait.
// Nodes remove the records of members that have gone for long. Any other member whose
// record was removed may serve on until it notices, or its lease ends. It is declared dead
// when the record has been away for as long as the lease that it was known to have, or as
// the longest lease if nothing was known of it. That counts from when the observer sees
// that the record is away, not from the last renewal that it has seen: it may have missed
// one, and no write at the version that it knows would tell.

// spoil notes what the version of a member's record is, and tells of a change. Of those
// that have gone it does not matter.
func (c *Core) spoil(ref Ref, stands standing) {
	m := c.members.all[ref]
	if m.Final() {
		stands = readable
	}
	if m.stands != stands {
		m.stands = stands
		c.emit(Spoiled{Member: ref, Mended: stands == readable, Removed: stands == missing})
	}
}

// removed takes that a member's record is there no more.
func (c *Core) removed(ref Ref, rev uint64) {
	if m := c.members.all[ref]; m != nil {
		c.members.put(ref, m.Member, rev, c.now)
		c.spoil(ref, missing)
	}
}

// expects is the revision on which the record is to be written.
func (m *member) expects() uint64 {
	if m.stands == missing {
		return 0
	}
	return m.rev
}

// unknown begins to wait for the end of a member's lease of which nothing is known but
// that it owns a shard, and that its record was removed.
func (c *Core) unknown(ref Ref) {
	c.members.put(ref, Member{}, c.members.asOf, c.now)
	c.spoil(ref, missing)
}

// bury ends this incarnation because its own record is spoiled: it is at a revision, or
// was removed, which is 0.
func (c *Core) bury(rev uint64) {
	c.emit(Spoiled{Member: c.self.Ref, Removed: rev == 0})
	c.closeAll() // before another may claim them
	dead := c.own.record
	dead.State, dead.By = Dead, c.self.Ref
	c.emit(Write{Key: c.own.key, Rev: rev, Value: encode(dead)})
	c.end(Dead, c.self.Ref)
}

// leaseOf is how long a member may serve after a version of its record was written.
func (c *Core) leaseOf(m *member) time.Duration {
	if m.LeaseMs <= 0 {
		return c.longestLease()
	}
	return m.Lease()
}

// longestLease is the longest lease that a member may have, if those whose records do
// not say theirs have that of a preset, or this node's own.
func (c *Core) longestLease() time.Duration {
	longest := c.self.Timing.Lease
	for _, m := range c.members.all {
		switch {
		case m.Final():
		case m.LeaseMs <= 0:
			longest = max(longest, membership.CalmTiming.Lease)
		default:
			longest = max(longest, m.Lease())
		}
	}
	return longest
}
