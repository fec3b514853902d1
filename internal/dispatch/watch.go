// Code of the library that waits until a call's context ends

package dispatch

// wakes has a signal sent to ch when the call's context ends, for code that waits on ch for something else too. It
// returns false if the context has ended, or if other code has done the same: then Done tells. Otherwise woke must be
// called. Unlike Done it leaves nothing behind.
func wakes(c *Call, ch chan struct{}) bool {
	lost := false
	c.mu.Lock()
	ok := c.ended == not && c.wake == nil
	if ok {
		c.wake = ch
		lost = noted(c)
	}
	c.mu.Unlock()
	if lost {
		c.Refuse(c.lost())
	}
	return ok
}

// woke ends what wakes has begun. It returns true if the context has ended, and the signal was sent.
func (d *decision) woke(ch chan struct{}) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.wake != ch {
		return true
	}
	d.wake = nil
	return false
}

// Wakes has a signal sent to ch when the context that the wait was begun with ends. ch must have room for two. That costs
// less than the context's Done, and leaves nothing behind. If Wakes returns true, Woke must be called when a signal has come.
// If Wakes returns false, the context's Done tells of the end. w may be nil.
func Wakes(w *Wait, ch chan struct{}) bool { return w != nil && w.call.own && wakes(w.call.Call, ch) }

// Woke reports whether the context has ended. Then its signal was sent to ch, perhaps beside another.
func Woke(w *Wait, ch chan struct{}) (ended bool) { return w.call.woke(ch) }

// noted has the code that watches the call's context hear when the shard, or its lease, is lost. It returns true if that
// has happened. It is called with mu held, before the context has ended.
func noted(c *Call) (lost bool) {
	if c.sub == nil || !c.sub.standing.Leased() || c.bits.Load()&bitNoted != 0 {
		return false
	}
	c.bits.Or(bitNoted)
	return !c.sub.hearers.looks(c, c.sub.standing)
}
