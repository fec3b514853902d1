// The shard's table and its supervisor: spawns, hears of ends

package actor

import (
	"context"
	"log/slog"
	"maps"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	pactor "github.com/asynkron/protoactor-go/actor"
)

// shard is one shard's table of keys, and its supervisor: a protoactor actor
// whose children are the keys' actors. The table is shared under mu, so that a
// delivery does not pass through the supervisor's mailbox.
type shard struct {
	host *Host
	id   uint32
	pid  *PID
	life context.Context // of hooks
	end  context.CancelFunc
	done chan struct{} // closed when the supervisor and all its children ended

	oldest atomic.Int64 // a moment that no key was last used before
	entry  entry        // of host.ages
	listed int          // the place in host.list; guarded by the host's mu

	mu     sync.RWMutex // read by deliveries; written when keys come and go
	table  map[string]*cell
	peak   int  // of the table's length, since it was made
	ages   ages // of the cells in table
	closed bool
	group  *EndGroup // nil unless the shard ends; then only stop hooks are served
	before []*shard  // former tables of the shard, some of whose keys may live on

	props    *pactor.Props
	spawning *cell // only on the supervisor's turn
}

// never is the age of nothing.
const never = math.MaxInt64

// keySupervision restarts a key's actor after a panic; one that goes on
// panicking is stopped, and made anew by the next message.
var keySupervision = pactor.NewOneForOneStrategy(10, 10*time.Second, pactor.DefaultDecider)

// newShard makes a shard. number is no other shard's of the host.
func newShard(h *Host, id uint32, number int) *shard {
	s := &shard{host: h, id: id, done: make(chan struct{}), table: map[string]*cell{}}
	s.life, s.end = context.WithCancel(h.life)
	s.oldest.Store(never)
	s.props = pactor.PropsFromProducer(
		func() pactor.Actor { return &shell{shard: s} },
		pactor.WithMailbox(func() pactor.Mailbox { return s.spawning }),
	)
	supervisor := pactor.PropsFromProducer(func() pactor.Actor { return s }, pactor.WithSupervisor(keySupervision))
	name := h.name + "/" + strconv.FormatUint(uint64(id), 10)
	var err error
	if s.pid, err = h.system.as.Root.SpawnNamed(supervisor, name); err != nil { // it was here before, and protoactor has not forgotten it
		s.pid, _ = h.system.as.Root.SpawnNamed(supervisor, name+"."+strconv.Itoa(number))
	}
	return s
}

// drop takes c out of the table. It is called with mu held.
func (s *shard) drop(c *cell) {
	delete(s.table, c.key)
	s.shrink()
	s.ages.remove(c)
	s.noteOldest()
}

// shrink gives back the room of a peak, which a map keeps for ever: it is copied
// when it is mostly empty, so that each key that goes pays for a part of a copy.
func (s *shard) shrink() {
	if n := len(s.table); s.peak > 64 && n < s.peak/4 {
		table := make(map[string]*cell, n)
		maps.Copy(table, s.table)
		s.table, s.peak = table, n
	}
}

// Receive implements protoactor's Actor: the supervisor's turn. It never waits.
func (s *shard) Receive(ctx pactor.Context) {
	switch m := ctx.Message().(type) {
	case *cell:
		s.spawn(ctx, m)
	case *pactor.Terminated:
		s.terminated(ctx, m.Who)
	case *pactor.Stopped:
		s.refuseRest()
		s.host.forget(s) // first: who waits for the end may deliver at once
		close(s.done)
	}
}

func (s *shard) spawn(ctx pactor.Context, c *cell) {
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed {
		s.remove(c)
		return
	}
	s.spawning = c
	_, err := ctx.SpawnNamed(s.props, nameOf(c.key))
	s.spawning = nil
	if err != nil { // the name is taken: an actor of the application's sits there
		c.log().Error("cannot spawn", slog.Any("error", err))
		s.remove(c)
	}
}

// terminated is told when an incarnation has ended, its stop hook and children
// included: mail that has come meanwhile gets the next one.
func (s *shard) terminated(ctx pactor.Context, who *PID) {
	forgetChild(ctx)
	c := s.find(who)
	if c == nil {
		return // a child that is not a key's
	}
	h := s.host
	c.forgets() // before the next one, which may owe answers of its own
	s.mu.Lock()
	c.mu.Lock()
	c.mail.take(isOwn)                       // nothing to the next one
	notYet := h.backoff.refuses(s.id, c.key) // what has come since the activation failed
	late := s.lateMail(c)
	again := c.mail.len() > 0 && !s.closed && notYet == nil
	group, wasFirst, why := s.group, c.is(ends), ErrStopping
	if again && c.is(woken) && group.second() { // each is woken once
		again, why = false, group.over()
	}
	c.invoker, c.system = nil, nil
	c.flags &^= suspended | stopping | leaving | ends
	if again && group != nil {
		c.flags |= woken
	}
	recount := 0
	switch {
	case again && !c.is(counted):
		c.flags |= counted
		recount = 1
	case !again:
		if c.is(counted) {
			recount = -1
		}
		c.flags = c.flags&scheduled | dead
		s.drop(c)
	}
	c.mu.Unlock()
	s.mu.Unlock()
	h.count(recount)
	s.refuseAll(c, late, ErrStopping)
	if group != nil { // before the next one begins, which may end at once
		group.ended(c, wasFirst, again)
	}
	if again {
		s.spawn(ctx, c)
		return
	}
	if notYet != nil {
		s.refuseAll(c, c.takeMail(), notYet)
		return
	}
	s.refuseAll(c, c.takeMail(), why)
}

// forgetChild clears what protoactor leaves of a child that has gone: an id, and
// by it the mailbox, behind the end of the list of those that are there.
func forgetChild(ctx pactor.Context) {
	if there := ctx.Children(); cap(there) > len(there) {
		there[:len(there)+1][len(there)] = nil
	}
}

// find returns the cell of a child of the supervisor's.
func (s *shard) find(pid *PID) *cell {
	name := pid.Id[strings.LastIndexByte(pid.Id, '/')+1:]
	key, err := url.PathUnescape(name)
	if err != nil {
		return nil
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.table[key]
}

// stop ends the supervisor and with it its children; it does not wait.
func (s *shard) stop() {
	s.mu.Lock()
	s.closed = true
	s.noteOldest()
	cells := slices.Collect(maps.Values(s.table))
	s.mu.Unlock()
	for _, c := range cells {
		s.refuseMail(c)
	}
	s.host.system.as.Root.Stop(s.pid)
}

// nameOf makes a key the last element of a process id. Keys are any bytes.
func nameOf(key string) string { return url.PathEscape(key) }
