package main

import (
	"errors"
	"go/parser"
	"go/token"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../.."

// TestTable: each mutant replaces a text that is there, in a file that is still Go, and has a test
// that is there. make mutants runs them.
func TestTable(t *testing.T) {
	names := map[string]bool{}
	for _, m := range table {
		if names[m.name] || m.what == "" {
			t.Errorf("mutant %s: needs a name of its own, and what it does", m.name)
		}
		names[m.name] = true
		b, err := m.edited(root)
		if err != nil {
			t.Error(err)
			continue
		}
		if _, err := parser.ParseFile(token.NewFileSet(), m.file, b, 0); err != nil {
			t.Errorf("mutant %s: %v", m.name, err)
		}
		if !hasTest(t, m.pkg, m.test) {
			t.Errorf("mutant %s: %s has no %s", m.name, m.pkg, m.test)
		}
	}
}

func hasTest(t *testing.T, pkg, test string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pkg), "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	is := regexp.MustCompile(`(?m)^func ` + test + `\(t \*testing\.T\)`)
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if is.Match(b) {
			return true
		}
	}
	return false
}

func TestEdited(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.go"), []byte("one two two"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ old, new, want, fault string }{
		{old: "one", new: "1", want: "1 two two"},
		{old: "two", new: "2", fault: "mutant m: a.go has the text that it replaces 2 times, want once:\ntwo"},
		{old: "three", new: "3", fault: "mutant m: a.go has the text that it replaces 0 times"},
		{old: "one", new: "one", fault: "mutant m: "},
	} {
		b, err := mutant{name: "m", file: "a.go", old: c.old, new: c.new}.edited(dir)
		if string(b) != c.want || (err == nil) != (c.fault == "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%q: %q, %v", c.old, b, err)
		}
	}
	if _, err := (mutant{name: "m", file: "gone.go"}).edited(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is gone: %v", err)
	}
}

// TestVerdict: only a test that fails, or that panics, has caught a mutant.
func TestVerdict(t *testing.T) {
	red := errors.New("exit status 1")
	for said, c := range map[string]struct {
		failed error
		want   string
	}{
		"--- FAIL: TestA (0.00s)\nFAIL\tx\t0.1s\n":                     {red, ""},
		"=== RUN\n    --- FAIL: TestA/x (0.00s)\nFAIL\tx\t0.1s\n":      {red, ""},
		"panic: deadlock: main bubble goroutine has exited\nFAIL\tx\n": {red, ""},
		"--- FAIL: TestAB (0.00s)\nFAIL\tx\t0.1s\n":                    {red, "does not run"},
		"ok  \tx\t0.1s\n":                   {nil, "it lives: p TestA passes"},
		"ok  \tx\t0.1s [no tests to run]\n": {nil, "p has no test TestA"},
		"# x\n./a.go:1: undefined: b\nFAIL\tx [build failed]\nFAIL\n":   {red, "does not run"},
		"panic: test timed out after 2m0s\n\trunning tests:\n\t\tTestA": {red, "hangs"},
	} {
		err := mutant{pkg: "p", test: "TestA"}.verdict(said, c.failed)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", said, err, c.want)
		}
	}
}

// TestRun: a name that is not known, and an edit that cannot be made, run nothing.
func TestRun(t *testing.T) {
	if err := run(t.Context(), root, []string{"nobody"}, io.Discard); err == nil || err.Error() != `no mutant "nobody"` {
		t.Errorf("an unknown name: %v", err)
	}
	err := run(t.Context(), t.TempDir(), nil, io.Discard)
	if err == nil || strings.Count(err.Error(), "mutant ") != len(table) {
		t.Errorf("in an empty directory: %v", err)
	}
}
