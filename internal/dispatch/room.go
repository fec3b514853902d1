// What is refused for want of room

package dispatch

import (
	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/outcome"

	"github.com/clstr-go/clstr/transport"
)

func withDefaults(l transport.Limits) transport.Limits {
	if l.MaxConcurrentHandlers == 0 {
		l.MaxConcurrentHandlers = transport.DefaultMaxConcurrentHandlers
	}
	if l.MaxPending == 0 {
		l.MaxPending = transport.DefaultMaxPending
	}
	if l.HandlerTimeout == 0 {
		l.HandlerTimeout = transport.DefaultHandlerTimeout
	}
	l.HandlerTimeout = min(l.HandlerTimeout, expiry.Forever)
	return l
}

// full reports whether n in flight are too many.
func (s *Sub) full(n int64) bool {
	return s.d.limits.MaxPending >= 0 && n > int64(s.d.limits.MaxPending)
}

func (s *Sub) overloaded(c *Call) *outcome.Error {
	return outcome.Overloaded(retryHint, "shard %d has %d pending calls: at most %d allowed", c.env.Shard, s.d.limits.MaxPending, s.d.limits.MaxPending)
}
