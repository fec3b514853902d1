// Periodic work of a key

package host

import (
	"log/slog"
	"sync"
	"time"
)

// ticker calls periodic work of one incarnation. It is its own message: at
// most one is in the mailbox, because the timer is set again after the turn.
type ticker struct {
	Periodic
	cell  *cell
	limit time.Duration // of each call

	mu      sync.Mutex
	timer   *time.Timer
	stopped bool
}

func startTicker(c *cell, p Periodic, limit time.Duration) *ticker {
	t := &ticker{Periodic: p, cell: c, limit: limit}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.timer = time.AfterFunc(p.Period, t.post)
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
		t.timer.Reset(t.Period)
	}
}

func (t *ticker) call() {
	h := beginHook(t.cell, periodicWork, t.limit)
	defer h.end()
	if h.err = t.Work(&h.own); h.err != nil {
		t.cell.log().Warn("an Every hook failed", slog.Any("error", h.failure(h.err)))
	}
}

func (t *ticker) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped = true
	t.timer.Stop()
}
