// Which shards this end serves, in which epochs

package serving

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	"github.com/clstr-go/clstr/outcome"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/shardtable"
)

// Subscription is the subscription of one shard.
type Subscription struct {
	*dispatch.Sub
	Epoch uint64             // 0: of a fixed list
	Life  *dispatch.Lifetime // of the node, if it is one's
	table *Table
	shard uint32
}

// Table has the subscriptions of an end.
type Table struct {
	closed func() bool
	read   func()
	serve  shardtable.Table[[]*Subscription] // by shard, the highest epoch first; set with mu held

	mu      sync.Mutex
	subs    map[*Subscription]struct{}
	version uint64 // of the fixed list; 0: there was none
}

// NewTable returns a table without subscriptions. closed reports whether the end is closed. read returns when all that was sent
// to the end before is handed on.
func NewTable(closed func() bool, read func()) *Table {
	return &Table{closed: closed, read: read, subs: map[*Subscription]struct{}{}}
}

// New returns a subscription of a shard, which has yet to enter.
func (tb *Table) New(shard uint32, epoch uint64, life *dispatch.Lifetime) *Subscription {
	return &Subscription{table: tb, shard: shard, Epoch: epoch, Life: life}
}

// Enter puts s where the reader finds it. The reader must know it before its first message,
// and so must a Close.
func (tb *Table) Enter(s *Subscription) error {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	if tb.closed() {
		return outcome.Errorf(outcome.ErrTransportClosed, "shard %d", s.shard)
	}
	tb.subs[s] = struct{}{}
	all := []*Subscription{s}
	if old := tb.serve.Get(s.shard); old != nil {
		all = slices.Concat(*old, all)
		slices.SortStableFunc(all, func(a, b *Subscription) int { return cmp.Compare(b.Epoch, a.Epoch) })
	}
	tb.serve.Set(s.shard, &all)
	tb.changed(s)
	return nil
}

// Remove takes subscriptions from where the reader finds them.
func (tb *Table) Remove(subs ...*Subscription) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	for _, s := range subs {
		if _, here := tb.subs[s]; !here {
			continue
		}
		delete(tb.subs, s)
		tb.changed(s)
		all := slices.DeleteFunc(slices.Clone(*tb.serve.Get(s.shard)), func(o *Subscription) bool { return o == s })
		if len(all) == 0 {
			tb.serve.Set(s.shard, nil)
			continue
		}
		tb.serve.Set(s.shard, &all)
	}
}

// changed is called with mu held.
func (tb *Table) changed(s *Subscription) {
	if s.Epoch == 0 {
		tb.version++
	}
}

// All returns the subscriptions.
func (tb *Table) All() []*Subscription {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	return slices.Collect(maps.Keys(tb.subs))
}

// Serving returns the subscription of a shard in an epoch, nil if there is none. Of two, the
// first serves.
func (tb *Table) Serving(shard uint32, epoch uint64) *Subscription {
	if all := tb.serve.Get(shard); all != nil {
		for _, s := range *all {
			if s.Epoch == epoch {
				return s
			}
		}
	}
	return nil
}

// Newest returns the subscription of a shard in the highest epoch, nil if there is none.
func (tb *Table) Newest(shard uint32) *Subscription {
	if all := tb.serve.Get(shard); all != nil {
		return (*all)[0]
	}
	return nil
}

// Shared reports whether another subscription on this transport has the same shard by a
// fixed list. The first that has come serves, and the others stand by. If another process has such a shard, the
// transport logs it when it hears of that process.
func (s *Subscription) Shared() bool {
	all := s.table.serve.Get(s.shard)
	return s.Epoch == 0 && all != nil && slices.ContainsFunc(*all, func(o *Subscription) bool { return o != s && o.Epoch == 0 })
}

// Leave implements [dispatch.Link]. For a shard of a fixed list, messages that the server has sent
// before are still accepted. A shard in an epoch was drained before.
func (s *Subscription) Leave() error {
	if s.Epoch == 0 {
		s.table.read()
	}
	s.table.Remove(s)
	return nil
}

// list returns the shards of the fixed list, and its version.
func (tb *Table) list(known uint64) (shards []uint32, version uint64) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	if tb.version == known {
		return nil, known
	}
	for s := range tb.subs {
		if s.Epoch == 0 {
			shards = append(shards, s.shard)
		}
	}
	slices.Sort(shards)
	return slices.Compact(shards), tb.version
}
