// The headers of the call that a context belongs to

package transport

import (
	"context"
	"maps"
)

// HeadersOf returns the headers of the call whose handler ctx belongs to; nil outside
// a handler, in a hook, and where the call has none. They must not be changed.
func HeadersOf(ctx context.Context) map[string]string {
	c := CallFrom(ctx)
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.env.Headers
}

// Lent returns the envelope as a handler owns it: with headers of its own, which it
// may change while others read those of its call.
func (e Envelope) Lent() Envelope {
	e.Headers = maps.Clone(e.Headers)
	return e
}
