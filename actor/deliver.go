// The way of a call into its key's mailbox

package actor

// deliver queues m for key, and makes the key if it has to.
func (s *shard) deliver(key string, m *Context) error {
	s.mu.RLock()
	c, closed, group := s.table[key], s.closed, s.group
	s.mu.RUnlock()
	if closed {
		return ErrStopping
	}
	if group != nil {
		if err := s.admits(c, m); err != nil {
			return err
		}
	} else {
		m.stop = m.call.StopHook() != KeyTurn // kept, behind the key's own hook, if the shard begins to end before its turn
	}
	if c != nil { // where there is none, no turn of the key's waits for m
		if err := c.closesCircle(m); err != nil {
			return err
		}
		if res := s.put(c, m); res != gone {
			return s.delivered(c, m, res)
		}
	}
	return s.deliverNew(key, m)
}

// put queues m in c, which is used now.
func (s *shard) put(c *cell, m *Context) putResult {
	c.used.Store(s.host.clock.Add(1))
	return c.put(m, s.host.opts.MailboxSize)
}

// delivered does what follows from a put.
func (s *shard) delivered(c *cell, m *Context, res putResult) error {
	switch res {
	case queued:
		if m.call.Waiting() != nil {
			m.call.Queued(c)
		}
	case wake:
		if m.stop && m.call.Waiting() != nil { // the key's own stop hook may run before it
			m.call.Queued(c)
		}
		s.host.system.pool.Go(c)
	case full:
		s.host.refused()
		return ErrMailboxFull
	case stuck:
		s.host.refused()
		return ErrStuck
	case over:
		return s.group.over()
	}
	return nil
}

// deliverNew is deliver where the table may have to change.
func (s *shard) deliverNew(key string, m *Context) error {
	h := s.host
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return ErrStopping
	}
	c, ok := s.table[key]
	if !ok {
		if s.lapsed() {
			s.mu.Unlock()
			return ErrLapsed
		}
		if s.livesOn(key) {
			s.mu.Unlock()
			return s.delivered(nil, m, stuck)
		}
		if err := h.backoff.refuses(s.id, key); err != nil {
			s.mu.Unlock()
			return err
		}
		if check := h.opts.Check; check != nil {
			if err := check(s.id, key); err != nil {
				s.mu.Unlock()
				return err
			}
		}
		c = &cell{shard: s, key: key, flags: counted}
		if s.group != nil {
			if err := s.wakes(c, m); err != nil {
				s.mu.Unlock()
				return err
			}
		}
	}
	res := s.put(c, m) // what is in the table is not gone
	if !ok {
		s.table[key] = c
		s.peak = max(s.peak, len(s.table))
		s.ages.add(c)
		s.noteOldest()
		if s.group != nil {
			s.group.begin(0, []*cell{c})
		}
	}
	s.mu.Unlock()
	if !ok {
		h.count(1)
		h.system.as.Root.Send(s.pid, c)
		h.evict()
	}
	return s.delivered(c, m, res)
}
