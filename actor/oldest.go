// The shards of a host by their oldest key: which key is evicted next

package actor

import (
	"container/heap"
	"sync"
	"sync/atomic"
)

// byAge is a host's shards by their least recently used keys, as a heap whose order
// is mended only where it is read, like that of a shard's keys: what a shard's bound
// grows by is noted when the shard comes to the top. So to find the oldest key of all
// costs the logarithm of the number of shards, and a delivery nothing. A shard is in
// the heap while it has keys, and at most until it comes to the top without any.
type byAge struct {
	mu     sync.Mutex // the last of all; guards what entries say, too
	shards []*shard
}

// entry is a shard's place in its host's heap.
type entry struct {
	listed int64 // shard.oldest, as the heap knows it: not more than it is
	place  int
	in     atomic.Bool
}

// note puts a shard that has got a key into the heap, if it is not there. It is called
// after shard.oldest was stored.
func (b *byAge) note(s *shard) {
	if s.entry.in.Load() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.add(s)
}

func (b *byAge) add(s *shard) {
	if age := s.oldest.Load(); age != never && !s.entry.in.Load() {
		s.entry.listed = age
		s.entry.in.Store(true)
		heap.Push(b, s)
	}
}

// oldest returns the shard with the least recently used key, and a moment before which
// none was last used; nil if there is no key.
func (b *byAge) oldest() (*shard, int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.shards) > 0 {
		s := b.shards[0]
		switch age := s.oldest.Load(); age {
		case s.entry.listed:
			return s, age
		case never:
			b.drop(s)
			b.add(s) // it may have got a key since, and have found that it is there
		default:
			s.entry.listed = age
			heap.Fix(b, 0)
		}
	}
	return nil, never
}

// remove takes a shard out of the heap, which ends, or is passed over for a while.
func (b *byAge) remove(s *shard) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.entry.in.Load() {
		b.drop(s)
	}
}

func (b *byAge) drop(s *shard) {
	heap.Remove(b, s.entry.place)
	s.entry.in.Store(false)
}

// Len implements heap.Interface.
func (b *byAge) Len() int { return len(b.shards) }

// Less implements heap.Interface.
func (b *byAge) Less(i, j int) bool { return b.shards[i].entry.listed < b.shards[j].entry.listed }

// Swap implements heap.Interface.
func (b *byAge) Swap(i, j int) {
	b.shards[i], b.shards[j] = b.shards[j], b.shards[i]
	b.shards[i].entry.place, b.shards[j].entry.place = i, j
}

// Push implements heap.Interface.
func (b *byAge) Push(x any) {
	s := x.(*shard)
	s.entry.place = len(b.shards)
	b.shards = append(b.shards, s)
}

// Pop implements heap.Interface.
func (b *byAge) Pop() any {
	n := len(b.shards) - 1
	s := b.shards[n]
	b.shards[n] = nil
	b.shards = b.shards[:n]
	return s
}
