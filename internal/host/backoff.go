// The keys that could not be activated, and when they are tried again

package host

import (
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/clstr-go/clstr/outcome"
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

// failedKey is made of an error under no lock, because the error's methods are an application's code.
type failedKey struct {
	what, text string         // what could not be read, and the error's text
	why        *outcome.Error // has the code and the causes
	delay      time.Duration
	until      time.Time
}

func (f *failedKey) bytes() int { return len(f.text) }

func failedBy(cause error) *failedKey {
	f, code := &failedKey{}, outcome.ErrActivationFailed
	if bad, ok := cause.(*badState); ok {
		code, cause, f.what = outcome.ErrBadState, bad.cause, bad.what+": "
	}
	f.text = fmt.Sprint(cause)
	if most := mostDetail + utf8.UTFMax; len(f.text) > most { // failure cuts off the rest
		f.text = strings.Clone(f.text[:most])
	}
	f.why = failure(code, "%s%s", f.what, f.text).WithCause(cause)
	return f
}

// after is the error for callers: the key is tried again after a pause.
func (f *failedKey) after(pause string, d time.Duration) *outcome.Error {
	e := failure(f.why.Sentinel(), "%s%s%s", f.what, pause, f.text)
	e.Causes, e.Cut, e.RetryAfter = f.why.Causes, e.Cut || f.why.Cut, d
	return e
}

// fails notes that an activation has failed, and returns the error for its callers.
func (b *backoff) fails(shard uint32, key string, cause error) *outcome.Error {
	now, f := time.Now(), failedBy(cause)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failed == nil {
		forgotten := func(_ shardKey, f *failedKey) { b.bytes -= f.bytes() }
		b.failed, _ = simplelru.NewLRU(failedKeys, forgotten) // fails on a size below 1
	}
	f.delay = firstBackoff
	if last, ok := b.failed.Peek(shardKey{shard, key}); ok && now.Sub(last.until) < oldFailure {
		f.delay = min(2*last.delay, mostBackoff)
	}
	f.until = now.Add(f.delay)
	b.failed.Remove(shardKey{shard, key}) // its bytes too
	b.failed.Add(shardKey{shard, key}, f)
	for b.bytes += f.bytes(); b.bytes > failedBytes && b.failed.Len() > 1; {
		b.failed.RemoveOldest()
	}
	b.tidyLater()
	return f.after("", f.delay)
}

// refuses returns the error for a caller of a key that is not tried again yet, or nil if the key
// may be tried.
func (b *backoff) refuses(shard uint32, key string) *outcome.Error {
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
	return f.after(fmt.Sprintf("the next attempt is in %v: ", left.Round(time.Millisecond)), left)
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
