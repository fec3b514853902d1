// Notifications: acknowledgements that come late, failures that nobody waits for

package dispatch

import (
	"log/slog"

	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// Accepted reports whether it is a notification whose sender was told that the node
// has taken it, or does not wait to be told: should it fail now, that is no refusal.
func (c *Call) Accepted() bool {
	return !c.AwaitsReply() && c.bits.Load()&(bitReplied|bitRefused) == bitReplied
}

// AwaitsReply is false for a notification.
func (c *Call) AwaitsReply() bool { return c.env.Delivery == transport.AwaitReply }

// ackLater says that the notification counts as accepted when its handler has returned,
// and not before. It is called by a receiver in Accept.
func (c *Call) ackLater() {
	c.sub.counts.leave(c)
	c.bits.Or(bitLate)
}

// ObserveFailed has f called with the error of each notification that fails when
// its sender was told already that it was accepted, or does not wait to be told.
// f must not block. It must be called before the lifetime is used.
func (l *Lifetime) ObserveFailed(f func(*outcome.Error)) { l.onFailed = f }

func (l *Lifetime) tellFailed(err *outcome.Error) {
	defer sparse.Recover(l.log, "the metrics")
	l.onFailed(err)
}

// failed is told of a notification's error that its sender is not.
func (l *Lifetime) failed(c *Call, err *outcome.Error) {
	if l.onFailed != nil {
		l.tellFailed(err)
	}
	if err.Sentinel() == outcome.ErrPanicked {
		return // its stack is in the log
	}
	l.log.Warn("notification failed", sparse.Entity(c.env.Kind, c.env.Shard, c.Key()), slog.String("type", c.env.Type), slog.String("code", err.Code), slog.Any("error", err))
}
