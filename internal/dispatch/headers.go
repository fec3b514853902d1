// The headers of the call that a context belongs to

package dispatch

import "context"

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
