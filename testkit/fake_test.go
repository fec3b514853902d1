package testkit_test

import (
	"flag"
	"fmt"
	"strings"
	"sync"
	"testing"
)

// fakeTB is a test that may fail: it keeps what the test's own T would act on.
type fakeTB struct {
	testing.TB // panics for what the tools should not use

	mu       sync.Mutex
	failures []string
	lines    []string
	cleanups []func()
}

func (f *fakeTB) Helper() {}

func (f *fakeTB) Name() string { return "fake" }

func (f *fakeTB) Errorf(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failures = append(f.failures, fmt.Sprintf(format, args...))
}

// Fatalf fails the fake and goes on: the tools must return after it.
func (f *fakeTB) Fatalf(format string, args ...any) { f.Errorf(format, args...) }

func (f *fakeTB) Log(args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lines = append(f.lines, fmt.Sprint(args...))
}

func (f *fakeTB) Cleanup(c func()) { f.cleanups = append(f.cleanups, c) }

// end runs the cleanups as the end of a test does, and returns the failures.
func (f *fakeTB) end() []string {
	for i := len(f.cleanups) - 1; i >= 0; i-- {
		f.cleanups[i]()
	}
	f.cleanups = nil
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failures
}

// wantFailure checks that there is exactly one failure, with the given words.
func wantFailure(t *testing.T, failures []string, words ...string) {
	t.Helper()
	if len(failures) != 1 {
		t.Fatalf("got %d failures, want 1: %q", len(failures), failures)
	}
	for _, w := range words {
		if !strings.Contains(failures[0], w) {
			t.Errorf("the failure does not mention %q: %s", w, failures[0])
		}
	}
}

// runTest runs a test in an example, which has no *testing.T, once whatever
// -count and -cpu say: the example is run so often. What -v prints would not be
// its output, and is held back; that the test has failed is printed.
func runTest(f func(t *testing.T)) {
	verbose := flag.Lookup("test.v").Value
	was := verbose.String()
	set := func(v string) {
		if err := verbose.Set(v); err != nil {
			panic(err)
		}
	}
	set("false")
	defer set(was)
	done := false
	once := func(t *testing.T) {
		if !done {
			done = true
			f(t)
		}
	}
	all := func(_, _ string) (bool, error) { return true, nil }
	if !testing.RunTests(all, []testing.InternalTest{{Name: "Test", F: once}}) {
		fmt.Println("FAIL")
	}
}
