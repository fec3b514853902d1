// The warning where many of the keys that were evicted come back

package host

import (
	"log/slog"
	"sync"
	"time"

	"github.com/clstr-go/clstr/internal/sparse"
)

// A cap is said to be too small when, in a span of at least a second, half of all
// activations and so many a second are of keys that were evicted lately. The log says it
// once a minute.
const (
	returnsSpan  = 10 * time.Second
	returnsRate  = 10 // a second
	returnsQuiet = time.Minute
)

// returns watches whether keys that were evicted come back: a cap that is too small
// for the keys in use costs an activation, and a passivation, for each message.
type returns struct {
	host *Host

	mu      sync.Mutex
	evicted *evicted  // made with the first
	began   time.Time // of the span that is counted
	made    int       // activations since
	back    int       // those of them that had been evicted
	warned  time.Time
}

// note notes that a key was evicted.
func (r *returns) note(c *cell) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.evicted == nil {
		r.evicted = newEvicted(r.host.bound.cacheSize())
	}
	r.evicted.add(c.shard.id, c.key)
}

// activates is called before an incarnation of a key is made.
func (r *returns) activates(c *cell) {
	rate, back := r.count(c.shard.id, c.key, time.Now())
	if back {
		r.host.observers.apart(Observer.KeyReturned)
	}
	if rate > 0 {
		r.host.system.log.Warn("keys are passivated to make room and needed again: CacheSize is too small for the keys in use",
			sparse.Kind(r.host.opts.Kind), slog.Int("cache_size", r.host.bound.cacheSize()), slog.Int("returned_per_second", rate))
	}
}

// count returns whether a key comes back, and how many do a second if that is to be
// said now.
func (r *returns) count(shard uint32, key string, now time.Time) (rate int, back bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.evicted == nil { // as in most hosts
		return 0, false
	}
	if now.Sub(r.began) >= returnsSpan {
		r.began, r.made, r.back = now, 0, 0
	}
	r.made++
	if !r.evicted.remove(shard, key) {
		return 0, false
	}
	r.back++
	passed := now.Sub(r.began)
	if passed < time.Second || 2*r.back < r.made || !r.warned.IsZero() && now.Sub(r.warned) < returnsQuiet {
		return 0, true
	}
	if rate = int(float64(r.back) / passed.Seconds()); rate < returnsRate {
		return 0, true
	}
	r.warned = now
	return rate, true
}
