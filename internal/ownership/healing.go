// Shards whose records were removed, or are not readable

package ownership

import "time"

// standing is what the store holds under a shard's key.
type standing uint8

const (
	missing    standing = iota // nothing, as far as is known
	unreadable                 // what no node has written
	readable
)

// expects is the revision on which the record is to be written.
func (s *shard) expects() uint64 {
	if s.stands == missing {
		return 0
	}
	return s.rev
}

// broken reports whether the record has gone, or is not readable, although there
// was one.
func (s *shard) broken() bool { return s.stands != readable && s.rev > 0 }

// healing is how shards whose records were removed, or overwritten with something
// else, find an owner again.
//
// Its owner, which sees that, drains the shard and writes the record anew; where
// nobody does, the node that should own the shard claims it after a while. Such a
// record cannot count on from the one before: it says 0, and its own revision is
// its count. Nor does it follow that the owner before has stopped: the new one
// opens the shard once each other member has said, in its own record, that it has
// seen the records of all shards up to this one.
type healing struct {
	c       *Core
	waiting bool          // a shard here waits for what others have seen
	rev     uint64        // of such shards' records the highest
	by      uint64        // the highest seenBy of such shards
	wanted  uint64        // the highest revision of a record that others wait for us to have seen
	hurried time.Duration // when it last did
	sought  uint64        // the highest rev for which it did without waiting for a tick
}

// lost notes that a record is missing, or not readable, as of a revision.
func (h *healing) lost(id uint32, as standing, rev uint64) {
	s := &h.c.shards.all[id]
	if s.stands == readable || s.rev == 0 {
		s.lostAt, s.lostBy = h.c.now, h.c.own.record.Counter
	}
	s.stands, s.rev = as, rev
	h.c.shards.touched = append(h.c.shards.touched, id)
}

// absent takes from a snapshot that it does not contain shards that it should.
func (h *healing) absent(snapshot Result) {
	shards := h.c.shards.all
	there := make([]bool, len(shards))
	for _, e := range snapshot.Entries {
		if id, ok := ParseShardKey(e.Key); ok && int(id) < len(shards) {
			there[id] = true
		}
	}
	for i := range shards {
		if s := &shards[i]; !there[i] && s.stands != missing && s.rev <= snapshot.AsOf {
			h.lost(uint32(i), missing, snapshot.AsOf)
		}
	}
}

// upTo is the revision of a snapshot that this node acts on: it holds no shard that
// was not its own by then.
func (h *healing) upTo() (rev uint64) {
	c := h.c
	for i := range c.shards.all {
		if s := &c.shards.all[i]; s.phase != idle && s.stands != readable {
			return c.own.record.Seen
		}
	}
	return max(c.own.record.Seen, c.shards.asOf)
}

// mayClaim reports whether a record that is broken may be written by a node that
// is not known to have owned the shard: its owner has had the time to.
func (h *healing) mayClaim(s *shard) bool {
	return s.broken() && (s.rec.Owner == h.c.self.Ref || h.c.now-s.lostAt >= h.c.self.Timing.Lease)
}

// mayOpen reports whether a shard whose record names this node may be served.
func (h *healing) mayOpen(s *shard) bool {
	if h.followed(s) {
		return true
	}
	h.waiting, h.rev, h.by = true, max(h.rev, s.rev), max(h.by, s.seenBy)
	return false
}

// followed reports whether nobody can serve the shard by a record before this one.
func (h *healing) followed(s *shard) bool {
	c := h.c
	if s.anew && c.own.confirms(s.seenBy) && c.members.asOf >= s.rev && h.allHaveSeen(s.rev) {
		s.anew = false
	}
	return !s.anew
}

// allHaveSeen reports whether no other member can serve a shard by a record that is
// older than rev.
func (h *healing) allHaveSeen(rev uint64) bool {
	for ref, m := range h.c.members.all {
		switch {
		case ref == h.c.self.Ref, m.Final(), m.State == Joining && m.stands == readable, m.State != "" && (m.Born > rev || m.Seen >= rev):
		default:
			return false
		}
	}
	return true
}

// note remembers that another waits for this node to have seen a record.
func (h *healing) note(s *shard) {
	if s.anew && s.rec.Owner != h.c.self.Ref {
		h.wanted = max(h.wanted, s.rev)
	}
}

// hurry looks, and renews, sooner than is due where somebody waits for it. While
// records are being written it is not each of them that is hurried for.
func (h *healing) hurry() {
	c := h.c
	asked := h.wanted > c.own.record.Seen
	if c.own.state != Active && c.own.state != Leaving || !asked && !h.waiting || c.lineage.doubted {
		return
	}
	due := c.now-h.hurried >= TickEvery
	if due {
		h.hurried = c.now
	}
	if h.waiting && (due || c.shards.pending == 0 && h.sought < h.rev) {
		h.sought = h.rev // an answer that says nothing new is not asked for again at once
		if due || c.members.asOf < h.rev {
			c.members.pollAt = c.now
		}
		if !c.own.confirms(h.by) {
			c.own.renewAt = min(c.own.renewAt, c.now)
		}
	}
	if asked && due {
		if c.shards.asOf >= h.wanted {
			c.own.renewAt = min(c.own.renewAt, c.now)
		} else {
			c.shards.pollAt = min(c.shards.pollAt, max(c.now, c.shards.polledAt+c.self.Timing.Poll))
		}
	}
	c.renewIfDue()
	c.pollIfDue()
}
