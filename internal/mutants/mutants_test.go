package mutants

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

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
		b, err := Mutant{Name: "m", File: "a.go", Old: c.old, New: c.new}.Edited(dir)
		if string(b) != c.want || (err == nil) != (c.fault == "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%q: %q, %v", c.old, b, err)
		}
	}
	if _, err := (Mutant{Name: "m", File: "gone.go"}).Edited(dir); !errors.Is(err, os.ErrNotExist) {
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
		err := Mutant{Pkg: "p", Test: "TestA"}.verdict(said, c.failed)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", said, err, c.want)
		}
	}
}
