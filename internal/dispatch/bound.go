// An envelope on its way: its time to live, its own headers; defaults

package dispatch

import (
	"context"
	"maps"
	"time"

	"github.com/clstr-go/clstr/transport"
)

// Defaults of [transport.Limits], and of a call whose context has no deadline.
const (
	DefaultMaxConcurrentHandlers = 100
	DefaultMaxPending            = 16 << 10
	DefaultHandlerTimeout        = 30 * time.Second
	DefaultRequestTimeout        = 30 * time.Second
)

// Bound completes an envelope that is sent with ctx. A request without a deadline and
// without a time to live gets one of 30 s. A time to live gets the moment from which it
// counts.
func Bound(ctx context.Context, e *transport.Envelope) {
	bound(e, e.Delivery != transport.AwaitReply || e.TTLMs != 0 || HasDeadline(ctx))
}

// bound is Bound for a sender that knows whether the envelope has an end.
func bound(e *transport.Envelope, ends bool) {
	if !ends && e.Delivery == transport.AwaitReply && e.TTLMs == 0 {
		e.TTLMs = DefaultRequestTimeout.Milliseconds()
	}
	if (e.TTLMs > 0 || e.ID != "") && e.CreatedAtMs == 0 {
		e.Stamp()
	}
}

// HasDeadline is what ctx.Deadline reports. It costs less for the context of a handler.
func HasDeadline(ctx context.Context) bool { return deadlineOf(ctx) != 0 }

// Lent returns the envelope as a handler owns it: with headers of its own, which it
// may change while others read those of its call.
func Lent(e transport.Envelope) transport.Envelope {
	e.Headers = maps.Clone(e.Headers)
	return e
}
