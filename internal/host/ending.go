// The end of a shard: what it still serves, the keys that it wakes for that, and the keys that are cut off

package host

import (
	"context"

	"github.com/clstr-go/clstr/internal/turn"
	"github.com/clstr-go/clstr/outcome"
)

// admits returns why the shard does not serve m, or nil. c is nil if the key does not live. It is
// called with mu held.
func (s *shard) admits(key string, c *cell, m *Context) *outcome.Error {
	role := m.call.StopHook()
	m.stop = role != turn.Key // now: a notification's hook may be over when its turn comes
	switch {
	case s.state == shardOpen:
		return nil
	case s.state != shardEnds, role == turn.Key, role == turn.Stop && !s.group.final: // the next owner serves the latter
		return hostStops(key)
	case (role == turn.Last || s.group.isLast()) && (c == nil || c.mailbox.stands().life == stopping):
		return s.group.over(key)
	}
	return nil // afterEnd looks again
}

// heeds keeps the second round of an end from beginning before the call, which a stop hook has
// sent, is answered. A shard that begins to end only now has found the call in the mail.
func (s *shard) heeds(call Call) {
	s.mu.RLock()
	g := s.group
	s.mu.RUnlock()
	if g != nil {
		g.Hold()
		call.AfterAnswer(g.Release)
	}
}

// beginEnd begins to end the shard, as one of a group, unless it has begun.
func (s *shard) beginEnd(g *EndGroup) {
	s.mu.Lock()
	if s.state != shardOpen {
		s.mu.Unlock()
		return
	}
	s.state, s.group = shardEnds, g
	var keys, woken []*cell
	var sent []lent // by stop hooks
	var hooks []*hook
	refused := map[*cell][]any{}
	for _, c := range s.table.All() {
		b := &c.mailbox
		b.mu.Lock()
		refused[c] = b.mail.take(late)
		b.mail.all(func(m any) bool { sent = append(sent, lend(m.(*Context))); return true })
		if h := b.hook(); h != nil {
			hooks = append(hooks, h)
		}
		switch {
		case b.state.end == cutOff:
		case b.invoker != nil:
			b.group = g
			keys = append(keys, c)
		default: // it is being made
			b.wake(g)
			woken = append(woken, c)
		}
		b.mu.Unlock()
	}
	g.change(func() {
		g.first += len(keys) + len(sent)
		for _, c := range woken {
			g.woken[c] = struct{}{}
		}
	})
	s.mu.Unlock()
	for _, l := range sent {
		l.call.AfterAnswer(g.Release)
		turn.Leave(&l.of.gate)
	}
	for _, h := range hooks {
		h.shardEnds()
	}
	for c, mail := range refused {
		c.refuse(mail, hostStops(c.key))
	}
	for _, c := range keys {
		c.stop(c.mailbox.stopNow(true))
	}
}

// lent is a call that waits in the mail, lent to code that is not on the call's turn. The turn may end meanwhile, but the
// call's memory is not used again until that code leaves the gate.
type lent struct {
	of   *Context
	call Call // before its turn, which may put it behind an outlet
}

// lend enters the gate of a message before the message's turn. It is called with the mailbox's mu held.
func lend(x *Context) lent {
	turn.Enter(&x.gate)
	return lent{x, x.call}
}

// late reports whether a shard that ends refuses m: it refuses everything but messages of stop hooks.
func late(m any) bool {
	x, ok := m.(*Context)
	return !ok || !x.stop && x.call.StopHook() == turn.Key
}

// afterEnd decides about a key whose incarnation has ended, or could not be made
// and must not be made. It returns true if another incarnation follows, because mail has come.
func (s *shard) afterEnd(c *cell, mayBe bool) (again bool) {
	h, b := s.host, &c.mailbox
	s.mu.Lock()
	b.mu.Lock()
	b.mail.take(isOwn) // nothing to the next one
	var refused []any
	if s.state == shardEnds {
		refused = b.mail.take(late)
	}
	why := h.backoff.refuses(s.id, c.key) // what has come since the activation failed
	was := b.group
	switch {
	case b.mail.len() == 0 || why != nil:
	case !mayBe || s.state == shardClosed:
		why = hostStops(c.key)
	case b.state.end == woken && was.isLast(): // each is woken once
		why = was.over(c.key)
	default:
		again = true
	}
	b.group, b.invoker, b.system = nil, nil, nil
	var more int
	var rest []any
	if again {
		if more = b.to(evAgain); s.group != nil {
			b.wake(s.group)
		}
	} else {
		more = b.to(evDie)
		rest = b.mail.take(isAny)
		s.drop(c)
	}
	is := b.group
	b.mu.Unlock()
	s.mu.Unlock()
	h.count(more)
	c.refuse(refused, hostStops(c.key))
	switch { // before the next one begins, which may end at once
	case was != nil:
		was.ended(c, is != nil)
	case is != nil:
		is.wakes(c)
	}
	c.refuse(rest, why)
	return again
}

// passivated waits until all keys that were not cut off have ended, with their stop
// hooks. It returns false if ctx ends before that, or if the keys are cut off meanwhile.
func (s *shard) passivated(ctx context.Context) bool {
	for {
		s.mu.RLock()
		g := s.group
		s.mu.RUnlock()
		if g == nil || g.await(ctx) != nil {
			return false
		}
		if s.conclude(ctx, false) { // otherwise a stop hook has woken a key meanwhile
			return true
		}
	}
}

// conclude ends the end of a shard, and returns true, if only such keys live that were cut
// off, or inVain. A shard without keys is closed, and out of its host's table when conclude
// returns: a message that comes then finds another. With keys it serves again.
func (s *shard) conclude(ctx context.Context, inVain bool) bool {
	s.mu.Lock()
	if s.table.Len() > s.cutOffs && !inVain {
		s.mu.Unlock()
		return false
	}
	switch {
	case s.state == shardClosed: // its host stops
	case s.table.Len() == 0:
		s.state = shardClosed
		s.supervisor.stop()
	default:
		s.state = shardOpen
	}
	s.group = nil
	closed := s.state == shardClosed
	s.mu.Unlock()
	if closed {
		select {
		case <-s.supervisor.done:
		case <-ctx.Done():
		}
	}
	return true
}

// cutOff gives up the keys that live: they take no more messages, the contexts of their hooks
// end, and no stop hook runs. It returns these keys, with what each was doing. If none lives,
// it returns the keys that were cut off before, because the caller waits only for those.
func (s *shard) cutOff() (keys []*cell, at doings) {
	var before []*cell
	s.mu.Lock()
	if s.state != shardClosed {
		s.state = shardOpen
	}
	s.group = nil // its keys leave it below
	for _, c := range s.table.All() {
		if c.gone != nil {
			before = append(before, c)
			continue
		}
		c.gone = make(chan struct{})
		s.cutOffs++
		keys = append(keys, c)
	}
	s.mu.Unlock()
	at = doingsOf(keys)
	for _, c := range keys {
		c.cutOff()
	}
	if len(keys) == 0 {
		keys = before
	}
	return keys, at
}

// awaitCutOff waits until the cut-off keys have ended. It returns what the keys are doing
// that have not ended when ctx ends. Afterwards the shard serves again, or another takes its place.
func (s *shard) awaitCutOff(ctx context.Context, keys []*cell) doings {
	var left []*cell
	for _, c := range keys {
		select {
		case <-c.gone:
			continue
		case <-ctx.Done():
		}
		select {
		case <-c.gone:
		default:
			left = append(left, c)
		}
	}
	s.conclude(ctx, true)
	return doingsOf(left)
}

// stop closes the shard for good, and ends its supervisor, which stops the keys. It does
// not wait.
func (s *shard) stop() {
	s.close()
	for _, c := range s.cells() {
		c.refuseAll(hostStops(c.key))
	}
	s.supervisor.stop()
}

// close has the shard refuse everything that comes.
func (s *shard) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = shardClosed
}
