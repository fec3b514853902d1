package testkit

import (
	"testing"
	"time"
)

// The tests look inside where the real thing would take seconds.
var (
	CheckLeaksFor = checkLeaks
	ParseStacks   = parseStacks
)

// ExpectUntil is Expect with another end of the wait.
func (r *Recorder) ExpectUntil(t testing.TB, n int, timeout <-chan time.Time) []Received {
	return r.expect(t, n, timeout)
}
