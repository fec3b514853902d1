package ownership

import "time"

// hooks are the stop hooks of a shard that is drained. They ask a key of another shard,
// and the drain waits for the answer. Only shards with higher numbers are asked, so that
// none waits for itself.
type hooks struct {
	n     *node
	final bool
	asks  bool
}

// waiting reports whether something of the shard has yet to run.
func (s *served) waiting() bool {
	for _, line := range s.lines {
		if len(line) > 0 {
			return true
		}
	}
	return false
}

// asks reports whether the shard is not to end yet. Shards that nobody is there to take
// end together.
func (s *served) asks() bool {
	if s.hooks == nil || s.hooks.asks || !s.hooks.final {
		return s.hooks != nil && s.hooks.asks
	}
	for _, other := range s.hooks.n.served {
		if h := other.hooks; h != nil && h.final && h.asks {
			return true
		}
	}
	return false
}

// final reports whether stop hooks of other shards are still served.
func (s *served) final() bool { return s.hooks != nil && s.hooks.final }

// runHooks is the drain's part of the shard's keys.
func (n *node) runHooks(s *served, final bool) {
	w := n.w
	if s.hooks != nil {
		return // it has no keys
	}
	s.hooks = &hooks{n: n, final: final}
	below := int(w.f.shards) - 1 - int(s.id)
	if below == 0 {
		return
	}
	s.hooks.asks = true
	asked := s.id + 1 + uint32(w.rng.IntN(below))
	gen, began := n.gen, w.now
	epochs := map[uint32]uint64{}
	var try func()
	try = func() {
		if gen != n.gen || n.served[s.id] != s {
			return
		}
		if w.f.plannedFor && w.now-began > simDrainTimeout/2 {
			w.violation("a stop hook of shard %d on %v was not served by shard %d", s.id, n.ref, asked)
		}
		answered := false
		w.locate(asked, epochs)
		r := &request{w: w, hook: true, shard: asked, epoch: epochs[asked]}
		r.back = func(o ending) {
			switch {
			case answered:
			case o == ran:
				answered, s.hooks.asks = true, false
				w.hooks++
			default:
				answered = true
				w.after(w.upTo(10*time.Millisecond), try)
			}
		}
		w.after(time.Second, func() { r.back(mayHaveRun) })
		if !w.lost() {
			w.after(w.delay(), func() { w.route(r) })
		}
	}
	w.after(0, try)
}

// openFirst has a shard that is not opened yet serve the stop hooks of others.
func (n *node) openFirst(e Close) *served {
	if n.stopping[e.Shard] > 0 {
		return nil
	}
	n.served[e.Shard] = &served{id: e.Shard, epoch: e.Epoch, lines: map[string][]*request{}, hooks: &hooks{n: n, final: true}}
	return n.served[e.Shard]
}

// allLeave tells all nodes to leave, almost at once. They come back later.
func (w *world) allLeave() {
	w.together++
	for _, n := range w.nodes {
		gen := n.gen
		w.after(w.upTo(10*time.Millisecond), func() {
			switch {
			case gen != n.gen || !n.up || n.leaving || n.paused:
			case w.chance(0.8):
				n.leave()
			default:
				n.drain()
			}
		})
		w.after(3*time.Second+w.upTo(10*time.Second), func() { w.comesBack(n) })
	}
}

// comesBack starts a node that has gone, or when it has.
func (w *world) comesBack(n *node) {
	if n.up && !n.leaving {
		return
	}
	w.faultEnd = max(w.faultEnd, w.now)
	if n.up {
		w.after(time.Second, func() { w.comesBack(n) })
		return
	}
	n.start()
}

// hasten is what a mutant believes of others that leave.
func (n *node) hasten() {
	if c := n.core; n.w.f.broken.noStayer && c.Stays() {
		c.leaving.last, c.members.changed = true, true
	}
}
