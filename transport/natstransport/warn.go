// Notifications without an acknowledgement that were refused, or have reached no node

package natstransport

import (
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go"
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

// drops counts the messages that nats.go has dropped, by subscription: nats.go tells nothing of a subscription that has ended.
type drops struct {
	mu    sync.Mutex
	live  map[*nats.Subscription]uint64
	ended uint64
}

// count returns how many there are, and goes on with a further subscription; it may be nil.
func (d *drops) count(further *nats.Subscription) (all uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for sub, before := range d.live {
		if n, err := sub.Dropped(); err == nil {
			d.live[sub] = uint64(n)
		} else {
			d.ended += before
			delete(d.live, sub)
		}
		all += d.live[sub]
	}
	if further != nil {
		d.live[further] = 0
	}
	return all + d.ended
}
