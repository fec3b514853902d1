// Periodic work of a key

package host

import (
	"log/slog"
	"sync"
	"time"

	"github.com/clstr-go/clstr/internal/expiry"
)

// ticker calls periodic work of one incarnation. It is its own message: at
// most one is in the mailbox, because the timer is set again after the turn.
type ticker struct {
	Periodic
	cell  *cell
	limit time.Duration // of each call

	mu      sync.Mutex
	node    expiry.Node
	stopped bool
}

func startTicker(c *cell, p Periodic, limit time.Duration) *ticker {
	t := &ticker{Periodic: p, cell: c, limit: limit}
	t.again()
	return t
}

// again sets the timer, unless the incarnation has ended.
func (t *ticker) again() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.stopped {
		clockOf(t.cell).Add(&t.node, t, expiry.Plus(expiry.Now(), t.Period))
	}
}

// Expire implements [expiry.Expirer].
func (t *ticker) Expire() {
	runs, _ := t.cell.mailbox.put(t, -1) // a dead key has no more work
	t.cell.handOver(runs)
}

// run is the turn. A tick of an earlier incarnation does nothing.
func (t *ticker) run(s *shell) {
	t.mu.Lock()
	stopped := t.stopped
	t.mu.Unlock()
	if stopped {
		return
	}
	if !t.cell.shard.lapsed() {
		t.call(s)
	}
	t.again()
}

func (t *ticker) call(s *shell) {
	h := beginHook(t.cell, periodicWork, t.limit)
	defer h.end()
	if h.err = s.onTurn(func() error { return t.Work(&h.own) }); h.err != nil {
		t.cell.log().Warn("an Every hook failed", slog.Any("error", h.failure(h.err)))
	}
}

func (t *ticker) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped = true
	clockOf(t.cell).Remove(&t.node)
}
