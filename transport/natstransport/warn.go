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

// MissedNotifications returns how many notifications without an acknowledgement from this
// end have surely reached no node: no node serves their shard, or the connection did not
// take them. The log has one line or a few about them in each second in which there are
// some.
func (t *Transport) MissedNotifications() uint64 { return t.missed.n.Load() }

// packets counts packets that came to this end and could not be used, or could not be answered.
type packets struct{ undecodable, refused atomic.Uint64 }

// PacketCounts returns how many packets did not decode, and how many replies were
// refused: by this end, because the subject is no inbox, or by the server.
func (t *Transport) PacketCounts() (undecodable, refusedReplies uint64) {
	return t.packets.undecodable.Load(), t.packets.refused.Load()
}
