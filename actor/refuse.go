// What is told to messages that will not run

package actor

import (
	"maps"
	"slices"
)

// remove drops a cell that has no incarnation.
func (s *shard) remove(c *cell) {
	s.mu.Lock()
	c.set(dead)
	s.drop(c)
	group := s.group
	s.mu.Unlock()
	s.host.count(-1)
	s.refuseMail(c)
	if group != nil {
		group.ended(c, false, false)
	}
}

// refuseMail answers what a cell has that will not run any more.
func (s *shard) refuseMail(c *cell) { s.refuseAll(c, c.takeMail(), ErrStopping) }

// refuseAll answers messages that were taken out of the cell.
func (s *shard) refuseAll(c *cell, messages []any, why error) {
	for _, m := range messages {
		if x, ok := m.(*Context); ok {
			x.call.Fail(why)
		} else {
			s.host.deadLetter(c.self(), m)
		}
	}
}

// refuseWaiting is refuseAll for what is in the mail, but for calls whose senders have
// gone. It is called on the cell's turn.
func (s *shard) refuseWaiting(c *cell, why error) {
	mail := c.takeMail()
	s.refuseAll(c, slices.DeleteFunc(mail, func(m any) bool {
		x, ok := m.(*Context)
		return ok && x.abandoned()
	}), why)
}

// refuseRest answers what is left when the supervisor has ended: keys that
// were to be spawned.
func (s *shard) refuseRest() {
	s.mu.Lock()
	cells := slices.Collect(maps.Values(s.table))
	for _, c := range cells {
		c.set(dead)
		s.drop(c)
	}
	group := s.group
	s.mu.Unlock()
	s.host.count(-len(cells))
	for _, c := range cells {
		s.refuseMail(c)
		if group != nil {
			group.ended(c, c.isSet(ends), false)
		}
	}
}
