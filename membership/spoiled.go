// Members whose records no node has written

package membership

import "time"

// Member records that no node has written: somebody has overwritten them by hand, say.
// A node whose own record is spoiled cannot know what stood there before, which may be
// that it was declared dead. So it ends this incarnation, and says in the record that it
// is dead: nobody else may know what it owns. Where it cannot say so, the record counts
// as dead once it has stood for as long as the longest lease.

// spoil notes whether a member's record is spoiled, and tells of a change. Of those that
// have gone it does not matter.
func (c *Core) spoil(ref Ref, spoiled bool) {
	m := c.members.all[ref]
	if m != nil && m.spoiled != spoiled && !(spoiled && m.final()) {
		m.spoiled = spoiled
		c.emit(Spoiled{ref, !spoiled})
	}
}

// bury ends this incarnation because its own record is spoiled.
func (c *Core) bury(rev uint64) {
	c.emit(Spoiled{Member: c.self.Ref})
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
		case m.final():
		case m.LeaseMs <= 0:
			longest = max(longest, CalmTiming.Lease)
		default:
			longest = max(longest, m.Lease())
		}
	}
	return longest
}
