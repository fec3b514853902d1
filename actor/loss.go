package actor

import (
	"log/slog"
	"sync"
	"time"
)

// losses counts the keys that end because another node may own their shards, and says
// so in one line for all: each could not save what it had, for one and the same reason.
type losses struct {
	log *slog.Logger

	mu     sync.Mutex
	keys   int
	failed int   // of those, how many stop hooks have failed
	cause  error // of the first
	timer  *time.Timer
}

// lossesAfter is how long further keys are waited for.
const lossesAfter = time.Second

// key counts one; err is its stop hook's.
func (l *losses) key(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keys++
	if err != nil {
		l.failed++
		if l.cause == nil {
			l.cause = err
		}
	}
	if l.timer == nil {
		l.timer = time.AfterFunc(lossesAfter, l.tell)
	}
}

// tell writes what has been counted.
func (l *losses) tell() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer == nil {
		return // told before
	}
	l.timer.Stop()
	attrs := []any{slog.Int("keys", l.keys), slog.Int("stop_hooks_failed", l.failed)}
	if l.cause != nil {
		attrs = append(attrs, slog.Any("first", l.cause))
	}
	l.log.Warn("keys were lost with the node's lease: another node may own them, so their stop hooks found their context ended", attrs...)
	l.keys, l.failed, l.cause, l.timer = 0, 0, nil, nil
}
