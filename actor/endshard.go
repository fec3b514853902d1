package actor

import (
	"context"
	"fmt"
	"slices"
)

// EndShard refuses what comes and what waits for the shard's keys, passivates
// each with its stop hook, and returns when all have ended, or with ctx's error
// when that takes too long. A later delivery begins anew, once they have ended.
// With lost, another may have the shard already: the contexts of hooks have
// ended then, so that what heeds them writes nothing.
func (h *Host) EndShard(ctx context.Context, id uint32, lost bool) error {
	s := h.shards.Get(id)
	if s == nil {
		return nil
	}
	if lost {
		s.end()
	}
	s.stop()
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("ending shard %d of kind %q: %w: %s", id, h.opts.Kind, ctx.Err(), running(s))
	}
}

// forget takes a shard that has ended out of the table.
func (h *Host) forget(s *shard) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopped || h.shards.Get(s.id) != s {
		return // Stop waits for those in the list
	}
	h.shards.Set(s.id, nil)
	h.list = slices.DeleteFunc(slices.Clone(h.list), func(other *shard) bool { return other == s })
	s.end()
}

// lapsed reports whether another may own the shard by now.
func (s *shard) lapsed() bool {
	f := s.host.opts.Lapsed
	return f != nil && f(s.id)
}
