// The bound on active keys

package host

import (
	"sync"
	"sync/atomic"
)

// bound is how many keys of a host may be active. If there are more, the least recently used
// keys are passivated.
type bound struct {
	most   int           // below 0: any number
	clock  *atomic.Int64 // the host's
	evicts func(*cell)   // is told which keys go

	active   atomic.Int64
	ages     byAge       // the shards that have keys
	evicting sync.Mutex  // one looks for keys to stop; before the host's lock and the shards'
	allBusy  atomic.Bool // there are too many, and no key is idle
}

// isExceeded reports whether more keys are active than should be.
func (b *bound) isExceeded() bool {
	return b.most >= 0 && b.active.Load() > int64(b.most)
}

// add counts keys.
func (b *bound) add(delta int) {
	b.active.Add(int64(delta))
	if delta < 0 && !b.isExceeded() {
		b.allBusy.Store(false)
	}
}

// keep is called when a key was made: it passivates the least recently used key.
// While all keys are busy it does not look again, because the first key that runs out of work is
// passivated. If another goroutine is looking and misses a key, that key is found when the new key
// runs out of work.
func (b *bound) keep() {
	if b.isExceeded() && !b.allBusy.Load() && b.evicting.TryLock() {
		b.search()
		b.evicting.Unlock()
	}
}

// keepAfter is keep after c has run out of work: c may be the key that the bound
// waits for. It waits for a running search, because that search may have found c busy.
func (b *bound) keepAfter(c *cell) {
	if !b.isExceeded() {
		return
	}
	b.evicting.Lock()
	defer b.evicting.Unlock()
	if !b.allBusy.Load() {
		b.search()
	}
	switch {
	case !b.isExceeded():
	case c.shard.lapsed():
		b.allBusy.Store(false) // c is not, once the lease is back
	default:
		if c.stopIdle() { // the only one that may be idle
			b.evicts(c)
		}
	}
}

// search passivates the least recently used keys until the bound is kept, or
// every key was found busy. It passes over a shard that another node may own, because its keys
// could not save their state, and may be served again. It is called with
// evicting held.
func (b *bound) search() {
	began := b.clock.Load()
	var lapsed []*shard
	for b.isExceeded() {
		s, age := b.ages.oldest()
		if s == nil || age > began { // what is younger than this search was found busy in it
			b.allBusy.Store(len(lapsed) == 0) // no event says that a lease is back: the next search looks
			break
		}
		if s.lapsed() {
			b.ages.remove(s)
			lapsed = append(lapsed, s)
			continue
		}
		if c, _ := s.stopOldest(age); c != nil {
			b.evicts(c)
		}
	}
	for _, s := range lapsed {
		b.ages.note(s)
	}
	if !b.isExceeded() {
		b.allBusy.Store(false) // add may have been here before
	}
}
