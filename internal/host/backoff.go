// The keys that could not be activated, and when they are tried again

package host

import (
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// How long a key is not activated again after a failure. The time doubles after each further
// failure.
const (
	firstBackoff = 50 * time.Millisecond
	mostBackoff  = 5 * time.Second
)

// failedKeys is how many keys of a host are remembered as failed. The one that
// failed longest ago is forgotten first: it is tried again at once.
const failedKeys = 4096

// failedBytes bounds the texts of their errors together; a single error may hold more.
const failedBytes = 4 << 20

// A failure that is older than this is forgotten, and with it its error.
const oldFailure = 2 * mostBackoff

// backoff remembers the keys of a host that could not be activated.
type backoff struct {
	mu     sync.Mutex
	failed *simplelru.LRU[shardKey, *failedKey] // made with the first
	bytes  int                                  // of their errors
	tidies bool                                 // a timer will look for what is old
}

type shardKey struct {
	shard uint32
	key   string
}

type failedKey struct {
	cause error
	bytes int
	delay time.Duration
	until time.Time
}

// fails notes that an activation has failed, and returns the error for its callers.
func (b *backoff) fails(shard uint32, key string, cause error) error {
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failed == nil {
		forgotten := func(_ shardKey, f *failedKey) { b.bytes -= f.bytes }
		b.failed, _ = simplelru.NewLRU(failedKeys, forgotten) // fails on a size below 1
	}
	delay := firstBackoff
	if f, ok := b.failed.Peek(shardKey{shard, key}); ok && now.Sub(f.until) < oldFailure {
		delay = min(2*f.delay, mostBackoff)
	}
	f := &failedKey{cause, len(cause.Error()), delay, now.Add(delay)}
	b.failed.Remove(shardKey{shard, key}) // its bytes too
	b.failed.Add(shardKey{shard, key}, f)
	for b.bytes += f.bytes; b.bytes > failedBytes && b.failed.Len() > 1; {
		b.failed.RemoveOldest()
	}
	b.tidyLater()
	why := inactive(cause)
	why.RetryAfter = delay
	return why
}

// inactive is the error for the callers of a key that could not be activated.
func inactive(cause error) *Failure {
	if f, ok := cause.(*Failure); ok && f.Why == ErrBadState {
		return &Failure{Why: f.Why, What: f.What, Cause: f.Cause}
	}
	return &Failure{Why: ErrActivation, Cause: cause}
}

// refuses returns the error for a caller of a key that is not tried again yet, or nil if the key
// may be tried.
func (b *backoff) refuses(shard uint32, key string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failed == nil {
		return nil
	}
	f, ok := b.failed.Peek(shardKey{shard, key})
	if !ok {
		return nil
	}
	left := time.Until(f.until)
	if left <= 0 {
		return nil
	}
	why := inactive(f.cause)
	why.RetryAfter = left
	pause := fmt.Sprintf("the next attempt is in %v", left.Round(time.Millisecond))
	if why.What != "" {
		pause = why.What + ": " + pause
	}
	why.What = pause
	return why
}

// succeeds forgets a key.
func (b *backoff) succeeds(shard uint32, key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failed != nil {
		b.failed.Remove(shardKey{shard, key})
	}
}

// tidyLater starts the timer that forgets old failures, as long as there are any. It is called with
// mu held.
func (b *backoff) tidyLater() {
	if !b.tidies {
		b.tidies = true
		time.AfterFunc(oldFailure, b.tidy)
	}
}

// tidy is called by the timer.
func (b *backoff) tidy() {
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f, ok := b.failed.GetOldest(); ok && now.Sub(f.until) >= oldFailure; _, f, ok = b.failed.GetOldest() {
		b.failed.RemoveOldest()
	}
	if b.tidies = false; b.failed.Len() > 0 {
		b.tidyLater()
	}
}
