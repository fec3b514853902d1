// Which shards this end serves, in which epochs

package natstransport

import (
	"cmp"
	"context"
	"slices"

	"github.com/clstr-go/clstr/outcome"

	"github.com/clstr-go/clstr/internal/dispatch"
)

// subscription is the subscription of one shard.
type subscription struct {
	*dispatch.Sub
	t     *Transport
	shard uint32
	epoch uint64             // 0: of a fixed list
	life  *dispatch.Lifetime // of the node, if it is one's
}

// enter puts s where the reader finds it. The reader must know it before its first message,
// and so must a Close.
func (t *Transport) enter(s *subscription) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed.Load() {
		return outcome.Errorf(outcome.ErrTransportClosed, "shard %d", s.shard)
	}
	t.subs[s] = struct{}{}
	all := []*subscription{s}
	if old := t.serve.Get(s.shard); old != nil {
		all = slices.Concat(*old, all)
		slices.SortStableFunc(all, func(a, b *subscription) int { return cmp.Compare(b.epoch, a.epoch) })
	}
	t.serve.Set(s.shard, &all)
	t.entered(s)
	return nil
}

// remove takes subscriptions from where the reader finds them.
func (t *Transport) remove(subs ...*subscription) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range subs {
		if _, here := t.subs[s]; !here {
			continue
		}
		delete(t.subs, s)
		t.entered(s)
		all := slices.DeleteFunc(slices.Clone(*t.serve.Get(s.shard)), func(o *subscription) bool { return o == s })
		if len(all) == 0 {
			t.serve.Set(s.shard, nil)
			continue
		}
		t.serve.Set(s.shard, &all)
	}
}

// entered notes that a fixed list has changed. It is called with mu held.
func (t *Transport) entered(s *subscription) {
	if s.epoch == 0 {
		t.list.version++
	}
}

// serving returns the subscription of a shard in an epoch, nil if there is none. Of two, the
// first serves.
func (t *Transport) serving(shard uint32, epoch uint64) *subscription {
	if all := t.serve.Get(shard); all != nil {
		for _, s := range *all {
			if s.epoch == epoch {
				return s
			}
		}
	}
	return nil
}

// newest returns the subscription of a shard in the highest epoch, nil if there is none.
func (t *Transport) newest(shard uint32) *subscription {
	if all := t.serve.Get(shard); all != nil {
		return (*all)[0]
	}
	return nil
}

// Shared reports whether another subscription on this transport has the same shard by a
// fixed list. The first that has come serves, and the others stand by. If another process has such a shard, the
// transport logs it when it hears of that process.
func (s *subscription) Shared() bool {
	all := s.t.serve.Get(s.shard)
	return s.epoch == 0 && all != nil && slices.ContainsFunc(*all, func(o *subscription) bool { return o != s && o.epoch == 0 })
}

// Leave implements [dispatch.Link]. For a shard of a fixed list, messages that the server has sent
// before are still accepted. A shard in an epoch was drained before.
func (s *subscription) Leave() error {
	t := s.t
	if s.epoch == 0 && t.up.Load() && !t.closed.Load() && t.flush(context.Background()) == nil {
		t.readUpToHere()
	}
	t.remove(s)
	return nil
}
