// Notifications: acknowledgements that come late, failures that nobody waits for

package dispatch

import (
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
