// What a node that drains waits for, in its log

package cluster

import (
	"log/slog"
	"time"

	"github.com/clstr-go/clstr/internal/coordinator"
	"github.com/clstr-go/clstr/internal/hosting"
)

// drainSays is how often a node that drains says what it waits for.
const drainSays = 5 * time.Second

// drainLog says now and then what a node that drains waits for.
type drainLog struct {
	n     *Node
	began time.Time // zero before it drains
	said  time.Time
}

// look writes a line if one is due. It is called every lookEvery.
func (d *drainLog) look() {
	n := d.n
	var part coordinator.Health
	n.vitals.mu.Lock()
	leaves, takes := n.vitals.asked.Err() != nil, n.vitals.takes
	n.vitals.mu.Unlock()
	if takes != nil {
		part = takes.Health()
	}
	now := time.Now()
	switch {
	case !leaves && !part.Leaving: // it does not drain, or joins again
		d.began = time.Time{}
		return
	case d.began.IsZero():
		d.began, d.said = now, now
		return
	case now.Sub(d.said) < drainSays:
		return
	}
	d.said = now
	calls := 0
	attrs := []any{slog.Duration("for", now.Sub(d.began).Round(lookEvery))}
	if n.fixed != nil {
		calls = n.fixed.pending()
	} else {
		calls = n.living.pending()
		attrs = append(attrs, slog.Int("shards", part.Held))
	}
	n.opts.Log.Info("node still drains", append(attrs, slog.Int("calls", calls), slog.String("waits_for", d.waitsFor(part, calls)))...)
}

// waitsFor says what a drain waits for.
func (d *drainLog) waitsFor(part coordinator.Health, calls int) string {
	if names := hosting.Doing(d.n.life.Load()); names != "" {
		return names
	}
	switch changes := d.n.stored.health().Changes; {
	case changes > 0:
		return "the store of state"
	case calls > 0:
		return "calls"
	case part.Stays:
		return "other nodes that leave"
	case d.n.living != nil && part.Held > 0, part.Store != nil:
		return "the store of members"
	}
	return "the end of its keys"
}
