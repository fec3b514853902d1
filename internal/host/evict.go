// The bound on active keys

package host

import "sync/atomic"

// bound is how many keys of a host may be active. If there are more, the least recently used
// keys are passivated.
type bound struct {
	host    *Host
	most    limit
	active  atomic.Int64
	kept    atomic.Int64 // write-behind keys that keep a state which the store has refused
	allBusy atomic.Bool  // there are too many, and no key is idle
}

// cacheSize returns how many keys may be active; below 0 is any number.
func (b *bound) cacheSize() int { return b.most.or(DefaultCacheSize) }

// isExceeded reports whether more keys are active than should be.
func (b *bound) isExceeded() bool {
	most := b.cacheSize()
	return most >= 0 && b.active.Load() > int64(most)
}

// isFull reports whether as many keys as may be active keep states that the store has refused.
// They cannot be passivated, so no further write-behind key starts.
func (b *bound) isFull() bool {
	most := b.cacheSize()
	return most >= 0 && b.kept.Load() >= int64(max(most, 1))
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
	if b.isExceeded() && !b.allBusy.Load() && b.host.ages.reading.TryLock() {
		b.search()
		b.host.ages.reading.Unlock()
	}
}

// keepAfter is keep after c has run out of work: c may be the key that the bound
// waits for. It waits for a running search, because that search may have found c busy.
func (b *bound) keepAfter(c *cell) {
	if !b.isExceeded() {
		return
	}
	b.host.ages.reading.Lock()
	defer b.host.ages.reading.Unlock()
	if !b.allBusy.Load() {
		b.search()
	}
	switch {
	case !b.isExceeded():
	case c.shard.lapsed():
		b.allBusy.Store(false) // c is not, once the lease is back
	default:
		if c.stopIdle() { // the only one that may be idle
			b.host.returns.note(c)
		}
	}
}

// search passivates the least recently used keys until the bound is kept, or every key was found
// busy. It is called with reading held.
func (b *bound) search() {
	r := reader{ages: &b.host.ages, until: b.host.ages.now()} // a key that is used later was found busy, or is new
	defer r.end()
	for b.isExceeded() {
		c := r.next()
		if c == nil {
			b.allBusy.Store(len(r.lapsed) == 0) // no event says that a lease is back: the next search looks
			break
		}
		if c.stopIdle() {
			b.host.returns.note(c)
		}
	}
	if !b.isExceeded() {
		b.allBusy.Store(false) // add may have been here before
	}
}
