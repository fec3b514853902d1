// The end of a lease: calls that wait are refused, hooks' contexts end

package actor

import (
	"maps"
	"slices"
)

// RefuseWaiting refuses the calls of a shard whose turn has not come and whose
// senders wait for a reply, with [ErrLapsed]: the node's lease has ended, and they
// may find another owner sooner than the turn before them ends. What was accepted
// of other senders stays. It does not block.
func (h *Host) RefuseWaiting(id uint32) {
	s := h.shards.Get(id)
	if s == nil {
		return
	}
	for _, c := range s.cells() {
		c.mu.Lock()
		calls := c.mail.take(awaitsReply)
		c.mu.Unlock()
		s.refuseAll(c, calls, ErrLapsed)
	}
}

func awaitsReply(m any) bool {
	x, ok := m.(*Context)
	return ok && x.call.AwaitsReply()
}

// LapseShard ends the contexts of the hooks of a shard that run: the node's lease
// has ended, and may come back, for later ones. It does not block.
func (h *Host) LapseShard(id uint32) {
	s := h.shards.Get(id)
	if s == nil {
		return // a former table's have ended
	}
	for _, c := range s.cells() {
		c.mu.Lock()
		hook := c.hook()
		c.mu.Unlock()
		if hook != nil {
			hook.lapse()
		}
	}
}

func (s *shard) cells() []*cell {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Collect(maps.Values(s.table))
}
