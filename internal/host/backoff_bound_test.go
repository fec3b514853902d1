package host

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestErrorsOfFailedKeysAreBounded: the errors that are remembered hold a few MiB
// together, however long they are, the newest at least, and none for long.
func TestErrorsOfFailedKeysAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backoff{}
		for _, size := range []int{256 << 10, 8 << 20, 10} {
			for i := range 100 {
				_ = b.fails(0, strconv.Itoa(i%60), errors.New(strings.Repeat("x", size)))
			}
			held := 0
			for _, f := range b.failed.Values() {
				held += len(f.text)
			}
			if n := b.failed.Len(); held != b.bytes || n == 0 || held > failedBytes && n > 1 {
				t.Errorf("%d keys that failed hold %d bytes of errors, counted as %d", n, held, b.bytes)
			}
			if err := b.refuses(0, "39"); err == nil {
				t.Error("the newest failure is forgotten")
			}
		}
		b.succeeds(0, "39")
		left := func(after time.Duration) int {
			time.Sleep(after)
			b.mu.Lock()
			defer b.mu.Unlock()
			return b.failed.Len()
		}
		if left(oldFailure) == 0 {
			t.Error("forgotten before a key's next failure counts as its first")
		}
		if n := left(oldFailure + mostBackoff); n != 0 || b.bytes != 0 {
			t.Errorf("%d old failures are remembered, %d bytes", n, b.bytes)
		}
		_ = b.fails(0, "k", errors.New("again"))
		if n := left(3 * oldFailure); n != 0 {
			t.Errorf("%d old failures are remembered", n)
		}
	})
}

// watchful is an error that looks whether its methods are called under a lock.
type watchful struct {
	b     *backoff
	asked *int
	t     *testing.T
}

func (w watchful) look() {
	*w.asked++
	if !w.b.mu.TryLock() {
		w.t.Error("its methods are called under a lock")
		return
	}
	w.b.mu.Unlock()
}

func (w watchful) Error() string { w.look(); return "watchful" }

func (w watchful) Unwrap() error { w.look(); return nil }

// TestErrorsOfFailedKeysAreAskedOnce, under no lock: callers of a key that is not tried again yet come with the shard locked, and
// an error's methods are an application's code.
func TestErrorsOfFailedKeysAreAskedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, asked := &backoff{}, 0
		why := b.fails(0, "k", watchful{b, &asked, t})
		before := asked
		again := b.refuses(0, "k")
		if before == 0 || asked != before {
			t.Errorf("asked %d times, and then %d times", before, asked-before)
		}
		if why.Message != "activation failed: watchful" || again.Message != "activation failed: the next attempt is in 50ms: watchful" || len(again.Causes) != len(why.Causes) {
			t.Errorf("%v, and then %v", why, again)
		}
		time.Sleep(3 * oldFailure) // until it is forgotten
	})
}
