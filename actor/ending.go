// A shard that ends: what it serves still, and which keys are woken for that

package actor

// stopRole is what a stop hook of the cell's is.
func (c *cell) stopRole() Role {
	c.shard.mu.RLock()
	group := c.shard.group
	c.shard.mu.RUnlock()
	switch {
	case group == nil:
		return StopTurn
	case c.isSet(woken):
		return LastTurn
	}
	return EndingTurn
}

// ends reports whether the shard has begun to end.
func (s *shard) ends() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.group != nil
}

// BeginEnd begins to end a shard, as one of a group: it refuses what comes and what
// waits, but for what stop hooks ask, and has the keys passivate. [Host.EndShard] waits
// for that. It does not block.
func (h *Host) BeginEnd(id uint32, g *EndGroup) {
	h.mu.Lock()
	s := h.shards.Get(id)
	if s == nil && !h.stopped {
		h.groups[id] = g
	}
	h.mu.Unlock()
	if s != nil {
		s.beginEnd(g)
	}
}

// BeginStop is BeginEnd for all shards; [Host.Stop] waits for it.
func (h *Host) BeginStop(g *EndGroup) {
	h.mu.Lock()
	if h.ending == nil {
		h.ending = g
	}
	g = h.ending
	g.Hold() // the shards begin one after the other
	defer g.Release()
	shards := append([]*shard(nil), h.list...)
	h.mu.Unlock()
	h.idle.stop()
	for _, s := range shards {
		s.beginEnd(g)
	}
}

// groupOf returns the group of a shard that ends, also one that has no keys. It is
// called with mu held.
func (h *Host) groupOf(id uint32) *EndGroup {
	if h.ending != nil {
		return h.ending
	}
	return h.groups[id]
}

func (s *shard) beginEnd(g *EndGroup) {
	s.mu.Lock()
	if s.closed || s.group != nil {
		s.mu.Unlock()
		return
	}
	s.group = g
	s.noteOldest()
	var first, made []*cell
	var hooks []*hook
	refused := map[*cell][]any{}
	for _, c := range s.table {
		c.mu.Lock()
		refused[c] = s.lateMail(c)
		if h := c.hook(); h != nil {
			hooks = append(hooks, h)
		}
		if c.invoker != nil {
			c.flags |= ends
			first = append(first, c)
		} else { // it is being made
			c.flags |= woken
			made = append(made, c)
		}
		c.mu.Unlock()
	}
	g.begin(len(first), made)
	s.mu.Unlock()
	for _, h := range hooks {
		h.shardEnds()
	}
	for c, mail := range refused {
		s.refuseAll(c, mail, ErrStopping)
	}
	for _, c := range first {
		if pid := c.toStop(); pid != nil {
			s.host.system.as.Root.Stop(pid)
		}
	}
}

// shardEnds says that the shard of a hook which runs ends: what it asks is served
// from now on. It is called when the shard has its group.
func (h *hook) shardEnds() {
	h.mu.Lock()
	asked := h.turn
	h.mu.Unlock()
	if asked != nil { // otherwise it learns its role when it asks
		asked.ShardEnds()
	}
}

// toStop returns the process id of an incarnation that is to end with its shard; nil if
// it is about to already, or has: the next one must not be stopped in its place.
func (c *cell) toStop() *PID {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.is(ends) || c.is(stopping) {
		return nil
	}
	return selfOf(c.invoker)
}

// look gives a key that was woken a turn, at whose end it passivates if it has no mail.
func (c *cell) look() {
	c.mu.Lock()
	look := c.invoker != nil && !c.is(scheduled|stopping|dead)
	if look {
		c.flags |= scheduled
	}
	c.mu.Unlock()
	if look {
		c.shard.host.system.pool.Go(c)
	}
}

// endsNow reports whether the key was woken, has no mail, and may passivate. It is
// called with mu held, on the key's turn.
func (c *cell) endsNow() bool {
	return c.is(woken) && c.mail.len() == 0 && c.shard.group.rests(c)
}

// lateMail takes what a key of a shard that ends has waiting, but for what stop hooks
// have asked. It is called with the shard's mu and the cell's held.
func (s *shard) lateMail(c *cell) []any {
	if s.group == nil {
		return nil
	}
	return c.mail.take(func(m any) bool {
		x, ok := m.(*Context)
		return !ok || !x.stop && x.call.StopHook() == KeyTurn
	})
}

// admits returns why a shard that ends does not serve m. c is nil if the key does not
// live.
func (s *shard) admits(c *cell, m *Context) error {
	role := m.call.StopHook()
	m.stop = role != KeyTurn // a notification's hook may be over when its turn comes
	switch {
	case role == KeyTurn, role == StopTurn && !s.group.final: // the next owner serves the latter
		return ErrStopping
	case c == nil && role == LastTurn:
		return s.group.over()
	case c == nil:
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if role == LastTurn && c.is(stopping) {
		return s.group.over()
	}
	return nil // put looks again
}

// wakes makes c a key that a stop hook wakes, or returns why it does not. It is called
// with mu held.
func (s *shard) wakes(c *cell, m *Context) error {
	role := m.call.StopHook()
	if role == KeyTurn || role == StopTurn && !s.group.final { // the shard has begun to end just now
		return ErrStopping
	}
	if role == LastTurn || s.group.second() {
		return s.group.over()
	}
	c.flags |= woken
	m.stop = true
	return nil
}

// close refuses everything from now on. It returns false if a key lives.
func (s *shard) close() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = s.closed || len(s.table) == 0
	return s.closed
}
