// Which shards this end serves, in which epochs

package natstransport

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/clstr-go/clstr/outcome"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/shardtable"
)

// subscription is the subscription of one shard.
type subscription struct {
	*dispatch.Sub
	t     *Transport
	shard uint32
	epoch uint64             // 0: of a fixed list
	life  *dispatch.Lifetime // of the node, if it is one's
}

// table has the subscriptions of this end.
type table struct {
	t     *Transport
	serve shardtable.Table[[]*subscription] // by shard, the highest epoch first; set with mu held

	mu      sync.Mutex
	subs    map[*subscription]struct{}
	version uint64 // of the fixed list
}

// enter puts s where the reader finds it. The reader must know it before its first message,
// and so must a Close.
func (tb *table) enter(s *subscription) error {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	if tb.t.link.Closed() {
		return outcome.Errorf(outcome.ErrTransportClosed, "shard %d", s.shard)
	}
	tb.subs[s] = struct{}{}
	all := []*subscription{s}
	if old := tb.serve.Get(s.shard); old != nil {
		all = slices.Concat(*old, all)
		slices.SortStableFunc(all, func(a, b *subscription) int { return cmp.Compare(b.epoch, a.epoch) })
	}
	tb.serve.Set(s.shard, &all)
	tb.changed(s)
	return nil
}

// remove takes subscriptions from where the reader finds them.
func (tb *table) remove(subs ...*subscription) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	for _, s := range subs {
		if _, here := tb.subs[s]; !here {
			continue
		}
		delete(tb.subs, s)
		tb.changed(s)
		all := slices.DeleteFunc(slices.Clone(*tb.serve.Get(s.shard)), func(o *subscription) bool { return o == s })
		if len(all) == 0 {
			tb.serve.Set(s.shard, nil)
			continue
		}
		tb.serve.Set(s.shard, &all)
	}
}

// changed is called with mu held.
func (tb *table) changed(s *subscription) {
	if s.epoch == 0 {
		tb.version++
	}
}

// all returns the subscriptions.
func (tb *table) all() []*subscription {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	return slices.Collect(maps.Keys(tb.subs))
}

// serving returns the subscription of a shard in an epoch, nil if there is none. Of two, the
// first serves.
func (tb *table) serving(shard uint32, epoch uint64) *subscription {
	if all := tb.serve.Get(shard); all != nil {
		for _, s := range *all {
			if s.epoch == epoch {
				return s
			}
		}
	}
	return nil
}

// newest returns the subscription of a shard in the highest epoch, nil if there is none.
func (tb *table) newest(shard uint32) *subscription {
	if all := tb.serve.Get(shard); all != nil {
		return (*all)[0]
	}
	return nil
}

// Shared reports whether another subscription on this transport has the same shard by a
// fixed list. The first that has come serves, and the others stand by. If another process has such a shard, the
// transport logs it when it hears of that process.
func (s *subscription) Shared() bool {
	all := s.t.table.serve.Get(s.shard)
	return s.epoch == 0 && all != nil && slices.ContainsFunc(*all, func(o *subscription) bool { return o != s && o.epoch == 0 })
}

// Leave implements [dispatch.Link]. For a shard of a fixed list, messages that the server has sent
// before are still accepted. A shard in an epoch was drained before.
func (s *subscription) Leave() error {
	t := s.t
	if s.epoch == 0 && t.link.Up() && !t.link.Closed() && t.link.Flush(context.Background()) == nil {
		t.link.UpToHere()
	}
	t.table.remove(s)
	return nil
}
