// When a key may stop

package actor

import pactor "github.com/asynkron/protoactor-go/actor"

// tryStop begins to passivate an idle cell. A cell that is busy, owes an answer,
// has mail, is being spawned or stops already is left alone. A turn that no caller has asked
// for does not keep a cell, which stops after it. The end of a shard ends its keys in its
// own time.
func (c *cell) tryStop() bool {
	c.mu.Lock()
	if c.invoker == nil || c.is(working|suspended|stopping|ends|woken) || len(c.system) > 0 || len(c.open) > 0 || !c.mail.all(isOwn) {
		c.mu.Unlock()
		return false
	}
	c.beginStop()
	return true
}

// beginStop is called with mu held and lets go of it.
func (c *cell) beginStop() {
	c.flags |= stopping
	pid := selfOf(c.invoker)
	wasCounted := c.is(counted)
	c.flags &^= counted
	c.mu.Unlock()
	if wasCounted {
		c.shard.host.count(-1)
	}
	c.shard.host.system.as.Root.Stop(pid)
}

func (c *cell) stopAfterTurn() { c.set(leaving) }

func (c *cell) stopLeaving() {
	c.mu.Lock()
	c.flags &^= leaving
	if c.is(woken) {
		defer c.shard.group.looks()
	}
	if c.is(stopping) || c.invoker == nil || c.is(woken) && c.mail.len() > 0 { // the latter has come just now
		c.mu.Unlock()
		return
	}
	c.beginStop()
}

func isCall(m any) bool { _, ok := m.(*Context); return ok }

// isOwn tells what an incarnation sends to itself. It is nothing to the next
// one, and no reason to make one.
func isOwn(m any) bool {
	switch m.(type) {
	case *ticker, *pactor.ReceiveTimeout:
		return true
	}
	return false
}
