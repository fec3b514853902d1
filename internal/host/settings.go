// Settings: what the definition of a host's entities says where the host's options say nothing

package host

import (
	"sync/atomic"
	"time"
)

// Settings is what an entity's definition says of its host. A field that is zero says nothing.
type Settings struct {
	CacheSize   int
	MailboxSize int
	HookTimeout time.Duration
	IdleAfter   time.Duration
	Periodic    []Periodic
}

// Periodic is work that an entity does on its turn, each time the period has passed since
// it last returned. Its error is logged.
type Periodic struct {
	Period time.Duration
	Work   func(*Context) error
}

// use sets what is not set yet: by the host's options first, then by the definition of its first entity.
func (h *Host) use(set Settings) {
	h.bound.most.use(set.CacheSize)
	h.mailbox.use(set.MailboxSize)
	h.idle.use(set.IdleAfter)
}

// limit is a number that is set once.
type limit struct{ set atomic.Int64 } // 0 is not set

func (l *limit) use(n int) {
	if n != 0 && l.set.Load() == 0 {
		l.set.CompareAndSwap(0, int64(n))
	}
}

// or returns the number, or another while it is not set.
func (l *limit) or(other int) int {
	if n := l.set.Load(); n != 0 {
		return int(n)
	}
	return other
}
