// The end of one shard, which may come back

package actor

import (
	"context"
	"fmt"
	"slices"
)

// EndShard refuses what comes and what waits for the shard's keys, passivates
// each with its stop hook, and returns when all have ended, or with an [Unended]
// when that takes longer than ctx. A later delivery begins anew; keys that have not ended
// are refused with [ErrStuck] until they have, and no later EndShard waits for
// them beside others. With lost, another may have the shard already: no stop hook runs,
// and the contexts of hooks that run end, so that what heeds them writes nothing. When
// the wait is over in vain, another may have it soon, and the same holds.
func (h *Host) EndShard(ctx context.Context, id uint32, lost bool) error {
	s := h.atEnd(ctx, id, lost)
	h.mu.RLock()
	ending := h.late[id]
	h.mu.RUnlock()
	if s != nil {
		ending = []*shard{s}
		if lost {
			s.end()
		}
		s.stop()
	}
	for _, e := range ending {
		select {
		case <-e.done:
		case <-ctx.Done():
			names, n := unended(ending...)
			err := &Unended{n, fmt.Sprintf("ending shard %d of kind %q: %v: %s", id, h.opts.Kind, ctx.Err(), names), ctx.Err()}
			h.leave(s)
			return err
		}
	}
	return nil
}

// atEnd returns the shard that is to end, nil if there is none, when no key of its group
// lives, if it is in one, or when ctx ends: the wait for the shard itself then tells
// which keys live. A shard that is made afterwards is another.
func (h *Host) atEnd(ctx context.Context, id uint32, lost bool) *shard {
	for {
		h.mu.Lock()
		s, g := h.shards.Get(id), h.groups[id]
		if s == nil && (g == nil || lost || g.isIdle() || ctx.Err() != nil) {
			delete(h.groups, id)
			h.mu.Unlock()
			return nil
		}
		h.mu.Unlock()
		if s != nil {
			s.mu.RLock()
			g = s.group
			s.mu.RUnlock()
		}
		alone := s != nil && (lost || g == nil)
		if alone || g.await(ctx) != nil && s != nil || s != nil && s.close() {
			h.mu.Lock()
			delete(h.groups, id) // the shard may come back
			h.mu.Unlock()
			return s
		}
	}
}

// leave lets the shard's number have another table, beside one whose end was
// waited for in vain. s is nil if that was so before.
func (h *Host) leave(s *shard) {
	if s == nil {
		return
	}
	s.end()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopped || h.shards.Get(s.id) != s {
		return
	}
	h.shards.Set(s.id, nil)
	h.late[s.id] = append(slices.Clone(h.late[s.id]), s)
}

// forget takes a shard that has ended out of the tables.
func (h *Host) forget(s *shard) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopped {
		return // Stop waits for those in the list
	}
	is := func(other *shard) bool { return other == s }
	if h.shards.Get(s.id) == s {
		h.shards.Set(s.id, nil)
	} else if late := slices.DeleteFunc(slices.Clone(h.late[s.id]), is); len(late) > 0 {
		h.late[s.id] = late
	} else {
		delete(h.late, s.id)
	}
	last := h.list[len(h.list)-1] // takes its place: many shards may end together
	h.list[s.listed], last.listed = last, s.listed
	h.list[len(h.list)-1] = nil
	h.list = h.list[:len(h.list)-1]
	h.ages.remove(s)
	s.end()
}

// livesOn reports whether a former table of the shard still has the key. What is
// not there any more does not come back. It is called with mu held.
func (s *shard) livesOn(key string) bool {
	if len(s.before) == 0 {
		return false
	}
	s.before = slices.DeleteFunc(slices.Clone(s.before), (*shard).hasEnded)
	return slices.ContainsFunc(s.before, func(b *shard) bool { return b.has(key) })
}

func (s *shard) hasEnded() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

func (s *shard) has(key string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, ok := s.table[key]
	return ok
}

// lapsed reports whether another may own the shard by now.
func (s *shard) lapsed() bool {
	f := s.host.opts.Lapsed
	return f != nil && f(s.id)
}
