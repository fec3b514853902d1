package natstransport

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/transport"
)

// warner logs what senders cause and nobody waits to be told of: at most one
// line a second, so that a sender cannot flood the log, with the number of those
// that it stands for.
type warner struct {
	log *slog.Logger

	mu      sync.Mutex
	last    int64 // moment of the last line; 0 is none
	skipped int
}

func (w *warner) warn(msg string, args ...any) {
	now := expiry.Now()
	w.mu.Lock()
	if w.last != 0 && now < w.last+int64(time.Second) {
		w.skipped++
		w.mu.Unlock()
		return
	}
	skipped := w.skipped
	w.last, w.skipped = now, 0
	w.mu.Unlock()
	if skipped > 0 {
		args = append(args, "skipped", skipped)
	}
	w.log.Warn(msg, args...)
}

// missed counts notifications without an acknowledgement that have reached
// nobody: their senders have gone on, and cannot be told.
type missed struct {
	warner
	n atomic.Uint64
}

func (m *missed) add(n int, args ...any) {
	if n > 0 {
		total := m.n.Add(uint64(n))
		m.warn("notifications have reached nobody", append(args, "notifications", n, "total", total)...)
	}
}

// MissedNotifications returns how many notifications without an acknowledgement
// of this end's have surely reached nobody: no node serves their shard, or the
// connection did not take them. Each second in which there are some has a line in
// the log.
func (t *Transport) MissedNotifications() uint64 { return t.missed.n.Load() }

// Reply implements [transport.Replier] for notifications that await nothing:
// what refuses one is told to nobody else.
func (w *warner) Reply(c *transport.Call, _ []byte, err *transport.Error) {
	if err != nil {
		w.warn("notification is refused", "shard", c.Envelope().Shard, "error", err)
	}
}
