package actor

// tryStop begins to passivate an idle cell. A cell that is busy, has mail, is
// being spawned or stops already is left alone.
func (c *cell) tryStop() bool {
	c.mu.Lock()
	if c.invoker == nil || c.flags&(scheduled|suspended|stopping) != 0 || c.mail.len() > 0 || len(c.system) > 0 {
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

func (c *cell) stopIfLeaving() {
	c.mu.Lock()
	if !c.is(leaving) || c.is(stopping) || c.invoker == nil {
		c.mu.Unlock()
		return
	}
	c.flags &^= leaving
	c.beginStop()
}
