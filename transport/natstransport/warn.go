package natstransport

import (
	"log/slog"
	"sync/atomic"

	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/transport"
)

// warner logs what senders cause, a line a second.
type warner struct {
	log   *slog.Logger
	lines sparse.Log
}

func (w *warner) warn(msg string, args ...any) { w.lines.Warn(w.log, msg, args...) }

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
