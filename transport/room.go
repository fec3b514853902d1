// What is refused for want of room

package transport

// full reports whether n in flight are too many.
func (s *Sub) full(n int64) bool {
	return s.d.limits.MaxPending >= 0 && n%refusing > int64(s.d.limits.MaxPending)
}

func (s *Sub) overloaded(c *Call) *Error {
	return Overloaded(retryHint, "shard %d has %d pending calls: at most %d allowed", c.env.Shard, s.d.limits.MaxPending, s.d.limits.MaxPending)
}
