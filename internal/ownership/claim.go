// Claiming a shard, and its next epoch

package ownership

import "cmp"

// mayClaim: the node should own the shard, and its owner can serve no more.
func (c *Core) mayClaim(id uint32) bool {
	takes := c.own.state == Active && c.own.record.State == Active
	if !takes && !c.stays() || !c.shards.known || !c.lineage.known || c.target(id) != c.self.Ref {
		return false
	}
	s := &c.shards.all[id]
	if s.broken() && !c.own.confirms(s.lostBy) {
		return false // the store may be another, to which this node does not belong
	}
	if s.rec.Owner.IsZero() || c.healing.mayClaim(s) {
		return takes // the last to leave needs none that nobody has
	}
	if m := c.members.all[s.rec.Owner]; m != nil {
		return m.Final()
	}
	// A member of which nothing is known may just not have been seen yet. But its record
	// is older than the shard's: a look at all members that is as new as that would show it.
	if c.members.asOf >= s.rev {
		c.unknown(s.rec.Owner)
	}
	return false
}

func (c *Core) claim(id uint32) {
	s := &c.shards.all[id]
	c.set(id, s.phase, true)
	rec := c.next(s, Shard{Owner: c.self.Ref, Why: Claimed, From: cmp.Or(s.rec.Owner, s.rec.From)})
	c.write(ShardKey(id), s.expects(), rec, func(r Result) { c.settle(id, rec, r) })
}

// next counts the epoch of a record that is to be written. It does not count on from
// one that others may not have seen: whoever owned the shard before may serve it still.
func (c *Core) next(s *shard, rec Shard) Shard {
	rec.Base = max(c.lineage.base, s.rec.Base)
	switch {
	case s.stands == readable && c.healing.followed(s):
		rec.Count = s.rec.Count + 1
	case s.broken() && !rec.Owner.IsZero():
		rec.Why = Healed
	}
	return rec
}
