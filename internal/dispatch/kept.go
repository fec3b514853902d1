// What an observer keeps with a call

package dispatch

// Keep stores a value for the observer, in CallStarted.
func (c *Call) Keep(value any) {
	c.mu.Lock()
	c.rest().kept = value
	c.mu.Unlock()
}

// Kept returns the observer's value, in CallFinished.
func (c *Call) Kept() any {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rest().kept
}
