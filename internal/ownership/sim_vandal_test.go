package ownership

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership"
)

// vandalize removes a shard's record, as an operator with a tool may, or overwrites
// it. Nodes may hear of that, or not.
func (w *world) vandalize(shard uint32) {
	s := &w.store
	e := s.records[record.ShardKey(shard)]
	if e.Rev == 0 || !s.working() {
		return
	}
	w.vandalized++
	var value []byte
	if w.chance(0.3) {
		value = []byte(`{"owner":7}`)
	}
	s.write(Write{Key: e.Key, Rev: e.Rev, Value: value})
}

// spoilMember overwrites or removes a member's record, of any that there is.
func (w *world) spoilMember() {
	s := &w.store
	if !s.working() {
		return
	}
	keys := slices.DeleteFunc(slices.Sorted(maps.Keys(s.records)), func(key string) bool { return !strings.HasPrefix(key, record.MemberPrefix) })
	if len(keys) == 0 {
		return
	}
	w.spoiled++
	key := keys[w.rng.IntN(len(keys))]
	value := []byte(`{"state":7}`)
	if m, err := record.Decode[record.Member](s.records[key].Value); w.f.nonsense && err == nil && w.chance(0.7) {
		switch w.rng.IntN(7) { // no lease: one that is no length counts as a day
		case 0:
			m.Weight = 1e300
		case 1:
			m.Weight = -7
		case 2:
			m.Counter = 1<<64 - 1
		case 3:
			m.Born = 1<<64 - 1
		case 4:
			m.Seen = 1<<64 - 1
		case 5:
			m.Leaves = 1<<64 - 1
		case 6:
			m.Layout = "ffff"
		}
		s.write(Write{Key: key, Rev: s.records[key].Rev, Value: record.Encode(m)})
		return
	}
	switch {
	case w.chance(0.4):
		value = nil
		w.cutOff(key)
	case w.chance(0.3):
		value = []byte("{}")
	}
	s.write(Write{Key: key, Rev: s.records[key].Rev, Value: value})
}

// cutOff keeps a member whose record is removed from hearing of it, mostly: it serves on
// until its lease ends.
func (w *world) cutOff(key string) {
	for _, n := range w.nodes {
		if record.MemberKey(n.ref) == key && n.up && w.chance(0.7) {
			n.cut = max(n.cut, w.now+w.upTo(15*time.Second))
			n.touched = max(n.touched, n.cut)
			w.faultEnd = max(w.faultEnd, n.cut)
		}
	}
}

// buried ends the turns of a node whose own record is spoiled: they are told so, as when
// its lease ends.
func (w *world) buried(n *node) {
	for _, turns := range w.ledger.turns {
		for _, t := range turns {
			if t.n == n {
				t.lease = min(t.lease, n.clock())
			}
		}
	}
}

// pretend is what a mutant believes of records that were removed.
func (n *node) pretend() {
	for _, m := range n.core.members.all {
		if n.w.f.broken.sparesSpoiled && m.State == "" {
			m.stale, m.seen = 0, n.clock()
		}
		if n.w.f.broken.claimsRemoved && m.found == missing {
			m.State = record.Dead
		}
	}
	if !n.w.f.broken.countsAnew {
		return
	}
	for i := range n.core.shards.all {
		if s := &n.core.shards.all[i]; s.found == missing {
			s.found, s.rec, s.rev = readable, record.Shard{}, 0
		}
	}
}

// distort is what mutants believe of the records that they see.
func (n *node) distort(entries []membership.Entry) {
	b := n.w.f.broken
	c := n.core
	if b.forgetsRev {
		for _, e := range entries {
			if ref, ok := record.ParseMemberKey(e.Key); ok && c.members.all[ref] != nil && ref != n.ref {
				c.members.all[ref].rev = 0
			} else if id, ok := record.ParseShardKey(e.Key); ok {
				c.shards.all[id].rev = 0
			}
		}
	}
	if !b.claimAlive {
		return
	}
	for i := range c.shards.all {
		owner := c.shards.all[i].rec.Owner
		m := c.members.all[owner]
		switch {
		case owner.IsZero() || owner == n.ref:
		case m != nil && n.clock()-m.seen > 3*time.Second && m.State == record.Active:
			m.State = record.Dead
		}
	}
}
