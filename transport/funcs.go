// Handlers as receivers; the order of notifications to a key

package transport

import (
	"sync"
	"sync/atomic"

	"github.com/clstr-go/clstr/internal/pool"
)

// ReceiverFunc makes a receiver of a handler: each call gets a goroutine of the
// pool as soon as fewer than the limit are running.
//
// Notifications to one key run one after the other, and requests to it after
// those that came before them, so that what one sender sends to a key keeps its
// order. A handler that passes a call on to one that hosts keys, as a middleware
// does, has its turn until then, and its notifications are acknowledged then.
func (d *Dispatcher) ReceiverFunc(h HandlerFunc) Receiver { return newFuncReceiver(d.life, d.pool, h) }

// ReceiverFunc makes a receiver of a handler, on the lifetime's goroutines, as
// [Dispatcher.ReceiverFunc] does.
func (l *Lifetime) ReceiverFunc(h HandlerFunc) Receiver { return newFuncReceiver(l, l.pool, h) }

func newFuncReceiver(l *Lifetime, p Pool, h HandlerFunc) *funcReceiver {
	return &funcReceiver{life: l, pool: p, h: h, lines: map[lineID]*line{}}
}

type funcReceiver struct {
	life *Lifetime // of a node's handler the node's; of a subscription's the transport's
	pool Pool
	h    HandlerFunc

	// passes: h has been seen to pass a call on. From then on its notifications
	// are acknowledged when they are passed on, for only then is it known whether
	// there is room for them; before, as those of any func, when they are taken.
	passes atomic.Bool

	held  atomic.Int32 // len(lines)
	mu    sync.Mutex
	lines map[lineID]*line // where a notification has its turn
}

// lineID is a key, or a whole shard for messages without one.
type lineID struct {
	shard int
	key   string
}

// line is what waits for a notification to have had its turn.
type line struct{ tasks []*funcTask }

// funcTask is a call that a func handles.
type funcTask struct {
	r     *funcReceiver
	c     *Call
	line  lineID
	holds bool   // others wait for its turn to be over; guarded by r.mu
	over  func() // to be called when it has returned; nil unless a stop hook has sent it

	// What has become of the call where it was passed on; guarded by c.mu.
	refused *Error // by the last that refused it
	ran     bool   // it was accepted, or has run
	unknown bool   // it may be running still
}

// Accept implements [Receiver].
func (r *funcReceiver) Accept(c *Call) {
	if err := c.Weigh(c.env.Key); err != nil {
		c.Refuse(err)
		return
	}
	if !c.enqueue() {
		return
	}
	t := &funcTask{r: r, c: c}
	c.task = t
	if c.bits.Load()&bitStop != 0 {
		t.over = r.life.holdShard(uint32(c.env.Shard))
	}
	passes, env := r.passes.Load(), &c.env
	if passes && env.Delivery == AwaitAccept {
		c.ackLater()
	}
	// Whoever waits for its reply or its acceptance sends nothing meanwhile.
	holds := env.Delivery == AwaitNothing || env.Delivery == AwaitAccept && !passes
	if env.Key == "" && !passes || !holds && r.held.Load() == 0 {
		r.pool.Go(t)
		return
	}
	t.line = lineID{env.Shard, env.Key}
	r.mu.Lock()
	defer r.mu.Unlock()
	t.holds = holds
	if l := r.lines[t.line]; l != nil {
		l.tasks = append(l.tasks, t)
		return
	}
	if holds {
		r.lines[t.line] = &line{}
		r.held.Add(1)
	}
	r.pool.Go(t)
}

// moveOn ends the turn of a task.
func (t *funcTask) moveOn() {
	r := t.r
	r.mu.Lock()
	defer r.mu.Unlock()
	if !t.holds {
		return
	}
	t.holds = false
	l := r.lines[t.line]
	for i, next := range l.tasks {
		r.pool.Go(next) // which does not block
		if next.holds {
			clear(l.tasks[:i+1])
			l.tasks = l.tasks[i+1:]
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
		c.dequeue()
		return
	}
	returned := false
	defer func() {
		if !returned {
			c.Panicked(recoverOr("runtime.Goexit", recover()))
		}
		c.End()
	}()
	data, err := t.r.h(c, c.env.Lent())
	returned = true
	if err != nil {
		c.replyError(err, t.failed)
		return
	}
	c.answer(data, nil)
}

// recoverOr names what ended a handler that did not return.
func recoverOr(otherwise string, r any) any {
	if r == nil {
		return otherwise
	}
	return r
}
