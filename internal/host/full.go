// The warning when the mailbox of a key is full

package host

import (
	"log/slog"
	"sync"
	"time"
)

// fullQuiet is the shortest time between two log lines of full mailboxes. A metric counts the refusals. The line names the
// key, which no metric may do.
const fullQuiet = time.Minute

// full watches for keys that get more messages than they handle.
type full struct {
	mu      sync.Mutex
	refused int // since the last line
	warned  time.Time
}

// note notes that the mailbox of a key had no room for a message.
func (f *full) note(c *cell) {
	if n := f.count(time.Now()); n > 0 {
		c.log().Warn("the mailbox of a key is full: its callers are refused, or slowed", slog.Int("waiting", c.shard.host.mailbox.or(DefaultMailboxSize)), slog.Int("refused", n))
	}
}

// count returns how many messages of the host were refused since the last line if that is to be said now, and 0 otherwise.
func (f *full) count(now time.Time) (refused int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refused++
	if !f.warned.IsZero() && now.Sub(f.warned) < fullQuiet {
		return 0
	}
	refused, f.refused, f.warned = f.refused, 0, now
	return refused
}
