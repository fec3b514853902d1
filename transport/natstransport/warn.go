// Notifications without an acknowledgement that were refused, or have reached no node

package natstransport

import (
	"log/slog"
	"sync/atomic"
)

// missed counts notifications without an acknowledgement that have reached no node: their
// senders have gone on, and cannot be told.
type missed struct {
	log *slog.Logger
	n   atomic.Uint64
}

func (m *missed) add(n int, args ...any) {
	if n > 0 {
		total := m.n.Add(uint64(n))
		m.log.Warn("notifications have reached no node", append(args, "notifications", n, "total", total)...)
	}
}

// packets counts packets that came to this end and could not be used, or could not be answered.
type packets struct{ undecodable, refused atomic.Uint64 }
