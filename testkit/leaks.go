// CheckLeaks: no goroutine outlives a test

package testkit

import (
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// leakWait is how long goroutines get to end.
const leakWait = 5 * time.Second

// CheckLeaks fails the test if a goroutine that was started after the call still runs
// five seconds after the test's last cleanup, and reports the stack of each. Call it
// first, so that it looks after the other helpers have cleaned up. Goroutines of the
// runtime and of package testing do not count. Nor does a goroutine whose stack
// contains one of the strings in ignore, for example the full name of a function from
// an earlier report.
//
// CheckLeaks looks at the whole process, so it is not for tests that run in parallel.
// It is not for testing/synctest bubbles either, which find leaks themselves.
func CheckLeaks(t testing.TB, ignore ...string) {
	t.Helper()
	checkLeaks(t, leakWait, ignore)
}

func checkLeaks(t testing.TB, wait time.Duration, ignore []string) {
	before := map[string]bool{}
	for _, g := range goroutines() {
		before[g.id] = true
	}
	ignore = append(slices.Clone(ignore), ours...)
	t.Cleanup(func() {
		t.Helper()
		left := awaitEnd(wait, func(g goroutine) bool {
			return before[g.id] || slices.ContainsFunc(ignore, func(s string) bool { return strings.Contains(g.stack, s) })
		})
		for _, g := range left {
			t.Errorf("testkit.CheckLeaks: goroutine %s is left:\n%s", g.id, g.stack)
		}
	})
}

// awaitEnd returns the goroutines that still run and count. A goroutine's end gives no
// signal, so it looks again and again.
func awaitEnd(wait time.Duration, harmless func(goroutine) bool) []goroutine {
	deadline := time.Now().Add(wait)
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		left := slices.DeleteFunc(goroutines(), harmless)
		if len(left) == 0 || time.Now().After(deadline) {
			return left
		}
		time.Sleep(pause)
	}
}

// ours are goroutines that start when they are first needed and never end.
var ours = []string{
	"testkit.goroutines(", // the one that looks
	"testing.(*T).Run(",
	"testing.(*T).Parallel(",
	"testing.(*M).",
	"testing.runTests(",
	"testing.runFuzz",
	"os/signal.signal_recv(",
	"os/signal.loop(",
	"created by runtime",
	"runtime.ensureSigM",
	"runtime/trace.Start",
	"runtime/pprof.profileWriter(",
	"nats-server/v2/server/ats.Register", // a clock that ends with its last user; a server that is shut down early may leave one
	// A server of several that is shut down while it makes a stream forgets the stream's:
	"nats-server/v2/server.(*fileStore).flushStreamStateLoop(",
	"nats-server/v2/server.(*msgBlock).flushLoop(",
}

type goroutine struct {
	id    string
	stack string // with its first line, which has the id and what it waits for
}

// goroutines returns all goroutines of the process.
func goroutines() []goroutine {
	buf := make([]byte, 256<<10)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			return parseStacks(string(buf[:n]))
		}
		buf = make([]byte, 2*len(buf))
	}
}

// parseStacks takes what runtime.Stack writes apart: stacks, separated by empty
// lines, that start with "goroutine 7 [state]:".
func parseStacks(all string) []goroutine {
	var gs []goroutine
	for stack := range strings.SplitSeq(strings.TrimSpace(all), "\n\n") {
		rest, ok := strings.CutPrefix(stack, "goroutine ")
		if !ok {
			continue
		}
		id, _, _ := strings.Cut(rest, " ")
		gs = append(gs, goroutine{id, stack})
	}
	return gs
}
