package transport

import "time"

// The classes of a dispatcher's clock.
const (
	classHandler = iota // the handler timeout
	classRequest        // the default TTL
)

// ttlRole is what a call's time to live means for it.
type ttlRole uint8

const (
	ttlLater   ttlRole = iota // there is none, or the caller's deadline is earlier
	ttlEnds                   // until is its end
	ttlWatched                // and somebody must end the call then
)

// watch wakes the sender of a call at its TTL.
func (s *Sub) watch(c *Call, now int64) {
	const usual = int64(DefaultRequestTimeout)
	switch left := c.until - now; {
	case c.far && left > usual*9/10 && left <= usual:
		// Its sender wakes by itself, and no handler starts too late: this may
		// come later, so that calls which were on their way for a while need no
		// timer each.
		s.d.clock.Add(&c.node, c, classRequest, now)
		return
	case c.env.TTLMs == DefaultRequestTimeout.Milliseconds() && left <= usual:
		s.d.clock.Add(&c.node, c, classRequest, c.until-usual)
		return
	}
	c.mu.Lock()
	c.rest().timer = time.AfterFunc(time.Duration(c.until-now), c.Expire)
	c.mu.Unlock()
}

// runUntil is the moment at which a handler that starts now must be done.
func (s *Sub) runUntil(until, now int64) int64 {
	if t := s.d.limits.HandlerTimeout; t > 0 && (until == 0 || now+int64(t) < until) {
		return now + int64(t)
	}
	return until
}

// watchHandler ends the wait for a handler that has just started.
func (s *Sub) watchHandler(c *Call, now int64) {
	if c.runUntil == c.until {
		return
	}
	s.d.clock.Add(&c.node, c, classHandler, now)
	if c.bits.Load()&bitAnswered != 0 {
		s.d.clock.Remove(&c.node) // it was decided before it was in the set
	}
}

func (s *Sub) unwatch(c *Call, started bool) {
	if c.ttl == ttlWatched || started && c.runUntil != c.until {
		s.d.clock.Remove(&c.node)
	}
}
