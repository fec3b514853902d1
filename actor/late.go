package actor

// leftOpen is called on the turn of a call that its handler has not answered: the
// cell counts as busy until somebody does, or the call's time is up. also is
// called then as well; it may be nil.
func (c *cell) leftOpen(call Call, also func()) {
	c.mu.Lock()
	c.open++
	c.mu.Unlock()
	call.AfterAnswer(func() {
		if also != nil {
			also()
		}
		c.answered()
	})
}

// answered is called when a call that was left open has ended. A cell that was
// kept by it alone may be what the host's bound waits for: it gets a turn, at
// whose end the host looks.
func (c *cell) answered() {
	h := c.shard.host
	c.mu.Lock()
	c.open--
	look := c.open == 0 && c.invoker != nil && !c.is(scheduled|dead) && h.over()
	if look {
		c.flags |= scheduled
	}
	c.mu.Unlock()
	if look {
		h.system.pool.Go(c)
	}
}
