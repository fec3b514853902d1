// Shards whose records were removed, or are not readable

package ownership

import (
	"time"

	"github.com/clstr-go/clstr/internal/record"
)

// content is what the store holds under a shard's key.
type content uint8

const (
	missing    content = iota // nothing, as far as is known
	unreadable                // what no node has written
	readable
)

// expects is the revision on which the record is to be written.
func (s *shard) expects() uint64 {
	if s.found == missing {
		return 0
	}
	return s.rev
}

// broken reports whether the record has gone, or is not readable, although there
// was one.
func (s *shard) broken() bool { return s.found != readable && s.rev > 0 }

// healing is how shards whose records were removed, or overwritten with something
// else, find an owner again.
//
// The owner of such a shard sees that its record is broken, drains the shard and writes the record
// anew. If the owner does not, the node that should own the shard claims it after a while. The new
// record cannot count on from the one before. It has the count 0, and its own revision is
// its count. It also does not prove that the owner before has stopped. So the new owner
// opens the shard only when each other member has said, in its own record, that it has
// seen the records of all shards up to this one.
type healing struct {
	*operations
	own     *own
	members *members
	shards  *shards
	lineage *lineage
	looks   *looks

	waiting bool          // a shard here waits for what others have seen
	rev     uint64        // of such shards' records the highest
	by      uint64        // the highest seenBy of such shards
	wanted  uint64        // the highest revision of a record that others wait for us to have seen
	hurried time.Duration // when it last did
	sought  uint64        // the highest rev for which it did without waiting for a tick
}

// lost notes that a record is missing, or not readable, as of a revision.
func (h *healing) lost(id uint32, as content, rev uint64) {
	s := &h.shards.all[id]
	if s.found == readable || s.rev == 0 {
		s.lostAt, s.lostBy = h.now, h.own.record.Counter
	}
	s.found, s.rev = as, rev
	h.shards.touched = append(h.shards.touched, id)
}

// absent takes from a snapshot that it does not contain shards that it should.
func (h *healing) absent(snapshot Result) {
	shards := h.shards.all
	there := make([]bool, len(shards))
	for _, e := range snapshot.Entries {
		if id, ok := record.ParseShardKey(e.Key); ok && int(id) < len(shards) {
			there[id] = true
		}
	}
	for i := range shards {
		if s := &shards[i]; !there[i] && s.found != missing && s.rev <= snapshot.AsOf {
			h.lost(uint32(i), missing, snapshot.AsOf)
		}
	}
}

// upTo is the revision of a snapshot that this node acts on: it holds no shard that
// was not its own by then.
func (h *healing) upTo() (rev uint64) {
	for i := range h.shards.all {
		if s := &h.shards.all[i]; s.phase != idle && s.found != readable {
			return h.own.record.Seen
		}
	}
	return max(h.own.record.Seen, h.shards.asOf)
}

// mayClaim reports whether a record that is broken may be written by a node that
// is not known to have owned the shard: its owner has had the time to.
func (h *healing) mayClaim(s *shard) bool {
	return s.broken() && (s.rec.Owner == h.self.Ref || h.now-s.lostAt >= h.self.Timing.Lease)
}

// mayOpen reports whether a shard whose record names this node may be served.
func (h *healing) mayOpen(s *shard) bool {
	if h.followed(s) {
		return true
	}
	h.waiting, h.rev, h.by = true, max(h.rev, s.rev), max(h.by, s.seenBy)
	return false
}

// followed reports whether no node can serve the shard by a record before this one.
func (h *healing) followed(s *shard) bool {
	if s.anew && h.own.confirms(s.seenBy) && h.members.asOf >= s.rev && h.allHaveSeen(s.rev) {
		s.anew = false
	}
	return !s.anew
}

// allHaveSeen reports whether no other member can serve a shard by a record that is
// older than rev.
func (h *healing) allHaveSeen(rev uint64) bool {
	for ref, m := range h.members.all {
		switch {
		case ref == h.self.Ref, m.Final(), m.State == record.Joining && m.found == readable, m.State != "" && (m.Born > rev || m.Seen >= rev):
		default:
			return false
		}
	}
	return true
}

// note remembers that another waits for this node to have seen a record.
func (h *healing) note(s *shard) {
	if s.anew && s.rec.Owner != h.self.Ref {
		h.wanted = max(h.wanted, s.rev)
	}
}

// hurry looks, and renews, sooner than is due if another member waits for that. While
// records are being written it is not each of them that is hurried for.
func (h *healing) hurry() {
	asked := h.wanted > h.own.record.Seen
	if h.own.state != record.Active && h.own.state != record.Leaving || !asked && !h.waiting || h.lineage.doubted {
		return
	}
	due := h.now-h.hurried >= TickEvery
	if due {
		h.hurried = h.now
	}
	if h.waiting && (due || h.shards.pending == 0 && h.sought < h.rev) {
		h.sought = h.rev // an answer that says nothing new is not asked for again at once
		if due || h.members.asOf < h.rev {
			h.looks.members.due = h.now
		}
		if !h.own.confirms(h.by) {
			h.own.renewAt = min(h.own.renewAt, h.now)
		}
	}
	if asked && due {
		if h.shards.asOf >= h.wanted {
			h.own.renewAt = min(h.own.renewAt, h.now)
		} else {
			h.looks.shards.sooner(max(h.now, h.looks.shards.last+h.self.Timing.Poll))
		}
	}
	h.own.renewIfDue()
	h.looks.ifDue()
}
