// Package sparse logs what others cause and nobody waits to be told of: at most
// one line a second, so that a sender cannot flood the log, with the number of
// those that it stands for. Its users' tests test it.
package sparse

import (
	"log/slog"
	"sync"
	"time"

	"github.com/clstr-go/clstr/internal/expiry"
)

// Log is a log with at most one line a second. The zero value is ready to use.
type Log struct {
	mu      sync.Mutex
	last    int64 // moment of the last line; 0 is none
	skipped int
}

// Warn logs a line to log, or counts it for the next.
func (l *Log) Warn(log *slog.Logger, msg string, args ...any) {
	now := expiry.Now()
	l.mu.Lock()
	if l.last != 0 && now < l.last+int64(time.Second) {
		l.skipped++
		l.mu.Unlock()
		return
	}
	skipped := l.skipped
	l.last, l.skipped = now, 0
	l.mu.Unlock()
	if skipped > 0 {
		args = append(args, slog.Int("skipped", skipped))
	}
	log.Warn(msg, args...)
}
