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
	refused := map[*cell][]any{}
	for _, c := range s.table {
		c.mu.Lock()
		refused[c] = s.lateMail(c)
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
	s.parking.end()
	for c, mail := range refused {
		s.refuseAll(c, mail, ErrStopping)
	}
	for _, c := range first {
		if pid := c.self(); pid != nil { // it has not ended meanwhile
			s.host.system.as.Root.Stop(pid)
		}
	}
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
	case role == KeyTurn:
		return ErrStopping
	case c == nil && role == LastTurn:
		return s.group.over()
	case c == nil:
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.is(stopping) && (role == LastTurn || c.is(woken)) {
		return s.group.over()
	}
	return nil
}

// wakes makes c a key that a stop hook wakes, or returns why it does not. It is called
// with mu held.
func (s *shard) wakes(c *cell, m *Context) error {
	role := m.call.StopHook()
	if role == KeyTurn { // the shard has begun to end just now
		return ErrStopping
	}
	if _, again := s.woke[c.key]; again || role != EndingTurn {
		return s.group.over()
	}
	if s.woke == nil {
		s.woke = map[string]struct{}{}
	}
	s.woke[c.key] = struct{}{}
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
