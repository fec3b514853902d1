// Handlers as receivers; the order of notifications to a key

package dispatch

import (
	"sync"
	"sync/atomic"

	"github.com/clstr-go/clstr/internal/pool"
	"github.com/clstr-go/clstr/internal/turn"
	"github.com/clstr-go/clstr/transport"
)

type funcReceiver struct {
	life *Lifetime // of a node's handler the node's; of a subscription's the transport's
	h    transport.HandlerFunc

	passes atomic.Bool // h has made a nested call: its notifications may be refused by that

	held  atomic.Int32 // len(lines)
	mu    sync.Mutex
	lines map[lineID][]*funcTask // where a notification has its turn: what waits for that
}

// lineID is a key, or a whole shard for messages without one.
type lineID struct {
	shard int
	key   string
}

// funcTask is a call that a func handles.
type funcTask struct {
	c     *Call
	line  lineID
	holds bool   // others wait for its turn to be over; guarded by r.mu
	over  func() // to be called when it has returned; nil unless a stop hook has sent it
}

// Accept implements [Receiver].
func (r *funcReceiver) Accept(c *Call) {
	if err := c.Weigh(c.env.Key); err != nil {
		c.Refuse(err)
		return
	}
	// In the pool's line, from which it cannot be taken out, it counts as pending until it has
	// come to the front, even if its sender leaves before: its memory is held.
	if _, ok := c.change(0, bitAnswered, bitQueued); !ok {
		return
	}
	t := &funcTask{c: c}
	c.fn = r
	if !c.AwaitsReply() && c.StopHook() != turn.Key {
		if hosts := r.life.Hosts(); hosts != nil {
			t.over = hosts.HoldShard(uint32(c.env.Shard))
		}
	}
	passes, env := r.passes.Load(), &c.env
	if passes && env.Delivery == transport.AwaitAccept {
		c.ackLater()
	}
	// A sender that waits for its reply or its acceptance sends nothing meanwhile.
	holds := env.Delivery == transport.AwaitNothing || env.Delivery == transport.AwaitAccept && !passes
	if env.Key == "" && !passes || !holds && r.held.Load() == 0 {
		r.life.pool.Go(t)
		return
	}
	t.line = lineID{env.Shard, env.Key}
	r.mu.Lock()
	defer r.mu.Unlock()
	t.holds = holds
	if waiting, ok := r.lines[t.line]; ok {
		r.lines[t.line] = append(waiting, t)
		return
	}
	if holds {
		r.lines[t.line] = nil
		r.held.Add(1)
	}
	r.life.pool.Go(t)
}

// moveOn ends the turn of a task.
func (t *funcTask) moveOn() {
	r := t.c.fn
	r.mu.Lock()
	defer r.mu.Unlock()
	if !t.holds {
		return
	}
	t.holds = false
	waiting := r.lines[t.line]
	for i, next := range waiting {
		r.life.pool.Go(next) // which does not block
		if next.holds {
			clear(waiting[:i+1])
			r.lines[t.line] = waiting[i+1:]
			return
		}
	}
	delete(r.lines, t.line)
	r.held.Add(-1)
}

// Run implements pool.Task.
func (t *funcTask) Run(slot pool.Slot) {
	c := t.c
	if t.over != nil {
		defer t.over()
	}
	defer t.moveOn()
	if !c.Start(slot) {
		if c.bits.And(^bitQueued)&bitClosed != 0 { // it has its answer, and that was all
			c.finish()
		}
		return
	}
	returned := false
	defer func() {
		if !returned {
			c.Panicked(recoverOr("runtime.Goexit", recover()))
		}
		c.End()
	}()
	data, err := c.fn.h(c, c.Own())
	returned = true
	if err != nil {
		c.replyError(err, c.funcError)
		return
	}
	c.answer(data, nil)
}

// recoverOr names the reason why a handler did not return.
func recoverOr(otherwise string, r any) any {
	if r == nil {
		return otherwise
	}
	return r
}
