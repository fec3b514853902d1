// One key: its mailbox, its turn, its states

package actor

import (
	"log/slog"
	"sync"
	"sync/atomic"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/internal/pool"
	"github.com/clstr-go/clstr/internal/sparse"
)

var _ pool.Task = (*cell)(nil)

// throughput is how many messages a key handles before it lets others run.
const throughput = 256

// cell is one key: the mailbox of its actor, in protoactor's sense, and what
// stays when an incarnation of the actor goes. Because the queue is the key's
// and not the incarnation's, what arrives while one stops waits for the next.
//
//	spawning -> active -> stopping -> spawning (mail) | dead (no mail)
//
// An incarnation runs while its invoker is set. Lock order: shard.mu, cell.mu.
type cell struct {
	shard *shard
	key   string
	used  atomic.Int64 // the host's clock at the last delivery

	listed int64 // used, as shard.ages knows it; guarded by shard.mu
	place  int   // in shard.ages; guarded by shard.mu

	slot    pool.Slot             // of the turn that runs; the worker's
	spawned pactor.MessageInvoker // between RegisterHandlers and Start, on the supervisor's turn

	mu      sync.Mutex
	invoker pactor.MessageInvoker // nil while spawning
	mail    queue
	now     *Context // of the turn that runs; of mail by process id and system messages it is nil
	system  []any    // protoactor's own messages; they go first
	flags   flag
	open    map[Call]struct{} // calls that were handled and not answered
	owed    *owed             // nil unless a drain waits for some of them
}

// putResult says what became of a message.
type putResult uint8

const (
	queued putResult = iota
	wake             // queued, and the cell must be handed to the pool
	full
	gone  // the cell is dead, and its key may have another
	stuck // a hook is past its limit
	over  // the key was woken, and passivates
)

// put appends m to the mail.
func (c *cell) put(m any, limit int) putResult {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.is(dead):
		return gone
	case c.now != nil && c.hookLate() && !isOwn(m):
		return stuck
	case c.is(woken) && c.is(stopping) && isCall(m) && c.shard.group.second():
		return over
	case limit >= 0 && c.mail.len() >= limit:
		return full
	}
	if c.is(woken) && isCall(m) {
		c.shard.group.busy(c)
	}
	c.mail.push(m)
	if c.wake() {
		return wake
	}
	return queued
}

// wake marks the cell as scheduled if there is something that it can run.
func (c *cell) wake() bool {
	if c.is(scheduled) || c.invoker == nil {
		return false
	}
	if len(c.system) == 0 && (c.is(suspended|stopping) || c.mail.len() == 0 && c.owed == nil) {
		return false
	}
	c.flags |= scheduled
	return true
}

// Run implements pool.Task: it handles what there is, then lets go.
func (c *cell) Run(slot pool.Slot) {
	for c.turns(slot) {
	}
}

// turns handles messages until there is none, it has had its share, or one
// panics. It returns true after a panic: the system messages that follow from
// it are there already.
func (c *cell) turns(slot pool.Slot) (again bool) {
	c.slot = slot
	var current any
	returned := false
	defer func() {
		if returned {
			return
		}
		again = true
		value := recover()
		if value == nil { // runtime.Goexit: this goroutine ends, another goes on
			value = "runtime.Goexit"
			defer c.shard.host.system.pool.Go(c)
			if current == nil || leftTurn(current) {
				return
			}
		}
		c.failed(current, value)
	}()
	user := false // the turn before was no system message's
	for n := 0; ; n++ {
		m, invoker, isUser := c.next(user)
		user = isUser
		if m == leave {
			c.stopLeaving()
			continue
		}
		if m == nil {
			returned = true
			c.shard.host.settle(c)
			return false
		}
		current = m
		if m == drain {
			current = &Draining{}
			c.hearOfDrain(invoker)
		} else if user {
			if x := c.handle(m, invoker, slot); x != nil {
				current = nil // it is not the actor that ends the goroutine from here on
				x.call.End()
			}
		} else {
			c.invokeSystem(m, invoker)
		}
		current = nil
		if n >= throughput && !(user && c.isSet(leaving)) {
			returned = true
			c.shard.host.system.pool.Go(c)
			return false
		}
	}
}

// next takes the next message; without one it lets go of the pool. An actor that
// asks to be passivated while it is activated gets its first message before.
func (c *cell) next(afterUser bool) (m any, invoker pactor.MessageInvoker, user bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = nil
	if afterUser && c.is(leaving) && c.invoker != nil && !c.is(stopping) {
		if !c.is(ends | woken) {
			return leave, nil, false
		}
		c.flags &^= leaving // it ends with its shard
	}
	if len(c.system) > 0 && c.invoker != nil {
		c.flags |= working
		m = c.system[0]
		if c.system[0] = nil; len(c.system) == 1 {
			c.system = nil
		} else {
			c.system = c.system[1:]
		}
		return m, c.invoker, false
	}
	if c.invoker == nil || c.is(suspended|stopping) {
		c.flags &^= scheduled | working // nobody else clears them: one worker a cell
		return nil, nil, false
	}
	if c.owed != nil {
		c.flags |= working
		return drain, c.invoker, true
	}
	if c.endsNow() {
		return leave, nil, false
	}
	m = c.mail.pop()
	c.now, _ = m.(*Context)
	switch {
	case m == nil:
		c.flags &^= scheduled | working
	case isOwn(m):
		c.flags &^= working
	default:
		c.flags |= working
	}
	return m, c.invoker, true
}

// leave is what a cell's next turn is when its actor asked to be passivated.
var leave any = new(byte)

// handle returns a call that has been handled, and has yet to be told.
func (c *cell) handle(m any, invoker pactor.MessageInvoker, slot pool.Slot) *Context {
	x, ok := m.(*Context)
	if !ok {
		if !isOwn(m) && c.shard.lapsed() {
			c.shard.host.deadMail(c, m, "another node may own the key")
			return nil
		}
		invoker.InvokeUserMessage(m)
		return nil
	}
	if !x.call.Start(slot) {
		return nil
	}
	x.cell = c
	if s, ok := actorOf(invoker).(*shell); ok && s.entity == nil {
		c.handleProto(s, x, invoker)
	} else {
		invoker.InvokeUserMessage(x)
		switch {
		case x.call.Err() != nil: // it has its answer
		case x.call.AwaitsReply():
			c.leftOpen(x.call, nil)
		default: // nobody waits for an answer: it keeps no key
			x.call.Reply(nil, nil)
		}
	}
	return x
}

func (c *cell) invokeSystem(m any, invoker pactor.MessageInvoker) {
	switch m.(type) {
	case *pactor.SuspendMailbox:
		c.set(suspended)
	case *pactor.ResumeMailbox:
		c.unset(suspended)
	case *pactor.Stop:
		c.set(stopping)
		invoker.InvokeSystemMessage(m)
	case *pactor.Restart:
		// Protoactor would revive an actor that has failed and was stopped before
		// its supervisor heard of the failure.
		if !c.isSet(stopping) {
			invoker.InvokeSystemMessage(m)
		}
	default:
		invoker.InvokeSystemMessage(m)
	}
}

// log names the key in each line.
func (c *cell) log() *slog.Logger {
	h := c.shard.host
	return h.system.log.With(sparse.Entity(h.opts.Kind, c.shard.id, c.key))
}

func (c *cell) self() *PID {
	c.mu.Lock()
	defer c.mu.Unlock()
	return selfOf(c.invoker)
}

func selfOf(invoker pactor.MessageInvoker) *PID {
	if ctx, ok := invoker.(pactor.Context); ok {
		return ctx.Self()
	}
	return nil
}

func actorOf(invoker pactor.MessageInvoker) Actor {
	if ctx, ok := invoker.(pactor.Context); ok {
		return ctx.Actor()
	}
	return nil
}
