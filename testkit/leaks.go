// CheckLeaks: no goroutine outlives a test

package testkit

import (
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// leakWait is how long goroutines that are on their way out get for it.
const leakWait = 5 * time.Second

// CheckLeaks fails the test if a goroutine that was started since is still there
// when the test has ended, five seconds after its last cleanup at the latest,
// and reports the stack of each. Call it first, so that what other helpers
// clean up is gone by then. Goroutines of the runtime and of package testing do
// not count, nor do those whose stack contains one of ignore: a function's full
// name, for example, that is found in the stack that a failure has printed.
//
// It looks at the whole process: not for tests that run in parallel with others,
// and not inside a testing/synctest bubble, which finds leaks itself.
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

// awaitEnd returns the goroutines that are still there, but for those that do
// not count. Nothing tells of a goroutine's end, so it looks again and again.
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
