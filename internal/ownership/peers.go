// Peer: another member that a node can ask whether it is reached

package ownership

import "github.com/clstr-go/clstr/internal/record"

// Peer is another member that owns a shard.
type Peer struct {
	Ref     record.Ref
	Counter uint64 // of its newest renewal that was seen
	Shard   uint32 // one that it owns
}

// Peer returns the member that owns the first shard from a number on that another member owns, as far
// as is known. If of is not zero, only that member counts.
func (c *Core) Peer(from uint32, of record.Ref) (p Peer, ok bool) {
	n := uint32(len(c.shards.all))
	for i := range n {
		shard := (from + i) % n
		s := &c.shards.all[shard]
		owner := s.rec.Owner
		if s.found != readable || owner.IsZero() || owner == c.self.Ref || !of.IsZero() && owner != of {
			continue
		}
		if m := c.members.all[owner]; m != nil && (m.State == record.Active || m.State == record.Leaving) {
			return Peer{Ref: owner, Counter: m.Counter, Shard: shard}, true
		}
	}
	return Peer{}, false
}
