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
				held += len(f.cause.Error())
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
