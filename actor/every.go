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
	ctx    *Context

	mu      sync.Mutex
	timer   *time.Timer
	stopped bool
}

func startTicker(c *Context, p periodic, entity any) *ticker {
	t := &ticker{periodic: p, entity: entity, ctx: c}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.timer = time.AfterFunc(p.period, t.post)
	return t
}

// post is called by the timer.
func (t *ticker) post() {
	c := t.ctx.cell
	if c.put(t, -1) == wake {
		c.shard.host.system.pool.Go(c)
	}
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
	held := t.ctx.call.(quiet).held
	held.Take(t.ctx.cell.slot)
	defer held.Release()
	if err := t.method(t.entity, t.ctx); err != nil {
		t.ctx.Log().Warn("periodic work failed", slog.Any("error", err))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.stopped {
		t.timer.Reset(t.period)
	}
}

func (t *ticker) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped = true
	t.timer.Stop()
}
