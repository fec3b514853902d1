// Periodic work

package actor

import (
	"log/slog"
	"sync"
	"time"
)

// periodic is a method that is called every so often.
type periodic struct {
	period time.Duration
	method func(e any, c *Context) error
}

// ticker calls a periodic method of one incarnation. It is its own message: at
// most one is in the mailbox, because the timer is set again after the turn.
type ticker struct {
	periodic
	entity any
	cell   *cell
	limit  time.Duration // of each call

	mu      sync.Mutex
	timer   *time.Timer
	stopped bool
}

func startTicker(c *Context, p periodic, entity any) *ticker {
	t := &ticker{periodic: p, entity: entity, cell: c.cell, limit: c.call.(*hook).limit}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.timer = time.AfterFunc(p.period, t.post)
	return t
}

// post is called by the timer.
func (t *ticker) post() {
	t.cell.handOver(t.cell.mailbox.put(t, -1) == wakes)
}

// run is the turn. A tick that a former incarnation has left behind does
// nothing.
func (t *ticker) run() {
	t.mu.Lock()
	stopped := t.stopped
	t.mu.Unlock()
	if stopped {
		return
	}
	if !t.cell.shard.lapsed() {
		t.call()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.stopped {
		t.timer.Reset(t.period)
	}
}

func (t *ticker) call() {
	h := beginHook(t.cell, periodicWork, t.limit)
	defer h.end()
	if h.err = t.method(t.entity, &h.own); h.err != nil {
		t.cell.log().Warn("periodic work failed", slog.Any("error", h.failure(h.err)))
	}
}

func (t *ticker) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped = true
	t.timer.Stop()
}
