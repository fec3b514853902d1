// The bound on active keys

package actor

// over reports whether more keys are active than should be.
func (h *Host) over() bool {
	return h.opts.CacheSize >= 0 && h.active.Load() > int64(h.opts.CacheSize)
}

// evict is called when a key was made: it passivates the least recently used.
// While all are busy it does not look again: the first that settles goes. If
// somebody else is looking, what that one misses is found when the new key
// settles.
func (h *Host) evict() {
	if h.over() && !h.allBusy.Load() && h.evicting.TryLock() {
		h.search()
		h.evicting.Unlock()
	}
}

// settle is called when c has run out of work: it may be the one that the bound
// waits for. It waits for a search that goes on, which may have found c busy.
func (h *Host) settle(c *cell) {
	if !h.over() {
		return
	}
	h.evicting.Lock()
	defer h.evicting.Unlock()
	if !h.allBusy.Load() {
		h.search()
	}
	switch {
	case !h.over():
	case c.shard.lapsed():
		h.allBusy.Store(false) // c is not, once the lease is back
	default:
		if c.tryStop() { // the only one that may be idle
			h.returns.leaves(c)
		}
	}
}

// search passivates the least recently used keys until the bound is kept, or
// every key was found busy. A shard that another may own is passed over: its keys
// could not save what they have, and may be served again. It is called with
// evicting held.
func (h *Host) search() {
	began := h.clock.Load()
	var lapsed []*shard
	for h.over() {
		s, age := h.ages.oldest()
		if s == nil || age > began { // what is younger than this search was found busy in it
			h.allBusy.Store(len(lapsed) == 0) // nobody tells when a lease is back: the next one looks
			break
		}
		if s.lapsed() {
			h.ages.remove(s)
			lapsed = append(lapsed, s)
			continue
		}
		if c, _ := s.stopOldest(age); c != nil {
			h.returns.leaves(c)
		}
	}
	for _, s := range lapsed {
		h.ages.note(s)
	}
	if !h.over() {
		h.allBusy.Store(false) // count may have been here before
	}
}

// noteOldest is called with mu held after a change of the ages. A shard that ends
// has nothing to passivate.
func (s *shard) noteOldest() {
	if s.closed || s.group != nil {
		s.oldest.Store(never)
		return
	}
	s.oldest.Store(s.ages.bound())
	if s.host.opts.CacheSize >= 0 {
		s.host.ages.note(s)
	}
}

// stopOldest passivates the shard's least recently used key. If that one is
// busy it counts as just used, which it is, and nothing is stopped.
func (s *shard) stopOldest(olderThan int64) (stopped *cell, tried bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.noteOldest()
	c := s.ages.oldest()
	if c == nil || c.used.Load() > olderThan {
		return nil, false
	}
	c.used.Store(s.host.clock.Add(1))
	s.ages.oldest() // c goes to its place
	if !c.tryStop() {
		return nil, true
	}
	return c, true
}
