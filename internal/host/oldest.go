// The shards of a host by their least recently used keys

package host

import (
	"sync"
	"sync/atomic"
)

// byAge has a host's shards by their least recently used keys. So the search for the oldest key
// of all costs the logarithm of the number of shards, and a delivery costs nothing. A shard is in
// the heap while it has keys. A shard without keys leaves the heap when it comes to the top.
type byAge struct {
	mu     sync.Mutex // the last of all; guards what entries say, too
	shards lazyHeap[*shard]
}

// shardEntry is a shard's place among the others.
type shardEntry struct {
	heapEntry
	oldest atomic.Int64 // a moment that no key of the shard was last used before
	in     atomic.Bool
}

// note puts a shard that has got a key into the heap, if it is not there. It is called
// after its oldest was stored.
func (b *byAge) note(s *shard) {
	if s.order.in.Load() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.add(s)
}

func (b *byAge) add(s *shard) {
	if s.age() != never && !s.order.in.Load() {
		s.order.in.Store(true)
		b.shards.add(s)
	}
}

// oldest returns the shard with the least recently used key, and a moment before which
// none was last used; nil if there is no key.
func (b *byAge) oldest() (*shard, int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		s, age, ok := b.shards.oldest()
		if !ok || age != never {
			return s, age
		}
		b.drop(s)
		b.add(s) // it may have got a key since, and have found that it is there
	}
}

// remove takes a shard out of the heap, which ends, or is passed over for a while.
func (b *byAge) remove(s *shard) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.order.in.Load() {
		b.drop(s)
	}
}

func (b *byAge) drop(s *shard) {
	b.shards.remove(s)
	s.order.in.Store(false)
}
