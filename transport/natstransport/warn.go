package natstransport

import (
	"log/slog"
	"sync"
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

// Reply implements [transport.Replier] for notifications that await nothing:
// what refuses one is told to nobody else.
func (w *warner) Reply(c *transport.Call, _ []byte, err *transport.Error) {
	if err != nil {
		w.warn("notification is refused", "shard", c.Envelope().Shard, "error", err)
	}
}
