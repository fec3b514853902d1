// The keys of one shard, and the way of a call into a key's mailbox

package host

import (
	"sync"

	"github.com/clstr-go/clstr/internal/peakmap"
	"github.com/clstr-go/clstr/outcome"
)

// shard is one shard's table of keys. It is shared under mu, so that a delivery does not
// pass through the supervisor's mailbox.
type shard struct {
	host       *Host
	id         uint32
	supervisor *supervisor

	mu      sync.RWMutex // read by deliveries; written when keys come and go
	state   shardState
	group   *EndGroup // not nil while ending
	table   peakmap.Map[string, *cell]
	cutOffs int // of the table, keys that were cut off
}

// shardState is what a shard serves. A shard that was ended in vain serves again. Only the keys
// that were cut off refuse, until they have ended.
//
//	open --beginEnd--> ends --conclude--> closed   no key lives
//	 ^ |                |                   ^
//	 | +----------------|-----conclude------+      the same, after cutOff
//	 +------cutOff------+
//
// The end of the host closes a shard from any state.
type shardState uint8

const (
	shardOpen   shardState = iota
	shardEnds              // it serves stop hooks only
	shardClosed            // it refuses everything, and another takes its place
)

// newShard makes a shard that ends with a group; nil is none.
func newShard(h *Host, id uint32, g *EndGroup) *shard {
	s := &shard{host: h, id: id, group: g}
	if g != nil {
		s.state = shardEnds
	}
	s.supervisor = newSupervisor(s)
	return s
}

// deliver queues m for key, and makes the key if it has to.
func (s *shard) deliver(key string, m *Context) *outcome.Error {
	s.mu.RLock()
	c, _ := s.table.Get(key)
	err := s.admits(key, c, m)
	s.mu.RUnlock()
	if err != nil {
		return err
	}
	if c != nil { // where there is none, no turn of the key's waits for m
		if err := c.closesCircle(m); err != nil {
			return err
		}
		call := m.call // its turn may begin with the put
		if runs, err := s.put(c, m); err != errDead {
			return s.delivered(c, call, m.stop, runs, err)
		}
	}
	return s.deliverNew(key, m)
}

// put queues m in c, which is used now.
func (s *shard) put(c *cell, m *Context) (runs bool, err error) {
	s.host.ages.use(c)
	return c.mailbox.put(m, s.host.mailbox.or(DefaultMailboxSize))
}

// delivered does what follows from a put. stop is whether a stop hook has sent the call.
func (s *shard) delivered(c *cell, call Call, stop, runs bool, err error) *outcome.Error {
	if err != nil {
		s.host.observers.apart(Observer.MailboxRefused)
		if err == errStuck {
			return outcome.Overloaded(retryStuck, "a hook of key %.64q takes too long", c.key)
		}
		s.host.full.note(c)
		return outcome.Overloaded(retryMailbox, "the mailbox of key %.64q is full", c.key)
	}
	by := call.Waiting()
	if (!runs || stop) && by != nil { // the key's own stop hook may run before a stop hook's call
		call.Queued(c)
	}
	if runs && by.IsHere() {
		s.host.system.pool.GoFirst(c)
	} else {
		c.handOver(runs)
	}
	if stop {
		s.heeds(call)
	}
	return nil
}

// deliverNew is deliver where the table may have to change.
func (s *shard) deliverNew(key string, m *Context) *outcome.Error {
	s.mu.Lock()
	c, ok := s.table.Get(key)
	var why *outcome.Error
	switch {
	case !ok:
		c, why = s.newCell(key, m)
	case s.state == shardClosed:
		why = hostStops(key)
	}
	if why != nil {
		s.mu.Unlock()
		return why
	}
	call := m.call           // as above
	runs, err := s.put(c, m) // what is in the table is not dead
	if !ok {
		s.table.Set(key, c)
		s.host.ages.add(c)
		if g := c.mailbox.group; g != nil {
			g.wakes(c)
		}
	}
	s.mu.Unlock()
	if !ok {
		s.host.count(1)
		s.supervisor.desk.spawn(c)
		s.host.bound.keep()
	}
	return s.delivered(c, call, m.stop, runs, err)
}

// newCell makes the cell of a key that m is the first message for, or returns why not.
// It is called with mu held.
func (s *shard) newCell(key string, m *Context) (*cell, *outcome.Error) {
	h := s.host
	if err := s.admits(key, nil, m); err != nil {
		return nil, err
	}
	if s.lapsed() {
		return nil, notOwned(key)
	}
	if err := h.backoff.refuses(s.id, key); err != nil {
		return nil, err
	}
	if check := h.opts.Check; check != nil {
		if err := check(s.id, key); err != nil {
			return nil, err
		}
	}
	c := &cell{shard: s, key: key}
	if s.group != nil {
		c.mailbox.wake(s.group)
	}
	return c, nil
}

// drop takes a cell that is dead out of the table. It is called with mu held.
func (s *shard) drop(c *cell) {
	s.table.Delete(c.key)
	if c.gone != nil {
		s.cutOffs--
		close(c.gone)
	}
	s.host.ages.remove(c)
}

// find returns the cell of a key, nil if there is none.
func (s *shard) find(key string) *cell {
	s.mu.RLock()
	defer s.mu.RUnlock()
	c, _ := s.table.Get(key)
	return c
}

// cells returns all keys.
func (s *shard) cells() []*cell {
	s.mu.RLock()
	defer s.mu.RUnlock()
	cells := make([]*cell, 0, s.table.Len())
	for _, c := range s.table.All() {
		cells = append(cells, c)
	}
	return cells
}

// lapsed reports whether another may own the shard by now.
func (s *shard) lapsed() bool {
	f := s.host.opts.Lapsed
	return f != nil && f(s.id)
}

// lapse refuses the calls whose turn has not come and whose senders wait for a reply, and
// ends the contexts of hooks that run.
func (s *shard) lapse() {
	for _, c := range s.cells() {
		b := &c.mailbox
		b.mu.Lock()
		calls, hook := b.mail.take(awaitsReply), b.hook()
		b.mu.Unlock()
		c.refuse(calls, notOwned(c.key))
		if hook != nil {
			hook.endContext(true)
		}
	}
}

func awaitsReply(m any) bool {
	x, ok := m.(*Context)
	return ok && x.call.AwaitsReply()
}
