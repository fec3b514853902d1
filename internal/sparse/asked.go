// What a log's Enabled has said in a flood of lines

package sparse

import (
	"log/slog"
	"sync"
	"time"
)

// Asking a log whether a level is enabled takes a goroutine. That costs more than all else about a line that is left out. So in a
// flood of lines the log is asked mostAsk times in a moment, and its last answer holds for the rest of the moment.
const (
	moment  = 100 * time.Millisecond
	mostAsk = 64
)

// asked is what a log was asked in this moment.
type asked struct {
	mu    sync.Mutex
	began time.Time
	level slog.Level // the last one
	on    bool       // the answer to it
	n     int        // how often the log was asked for it
}

// before returns the last answer for a level, and whether the log was asked enough.
func (a *asked) before(l slog.Level) (on, enough bool) {
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	if passed := now.Sub(a.began); a.level != l || passed >= moment || passed < 0 {
		a.began, a.level, a.n = now, l, 0
	}
	return a.on, a.n >= mostAsk
}

// answer notes what the log has said.
func (a *asked) answer(l slog.Level, on bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.level == l {
		a.on = on
		a.n++
	}
}
