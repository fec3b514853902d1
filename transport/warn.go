package transport

import (
	"log/slog"
	"sync"
	"time"

	"github.com/clstr-go/clstr/internal/expiry"
)

// warner logs what senders cause and nobody waits to be told of: at most one
// line a second, so that a sender cannot flood the log, with the number of those
// that it stands for.
type warner struct {
	mu      sync.Mutex
	last    int64 // moment of the last line; 0 is none
	skipped int
}

func (w *warner) warn(log *slog.Logger, msg string, args ...any) {
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
		args = append(args, slog.Int("skipped", skipped))
	}
	log.Warn(msg, args...)
}
