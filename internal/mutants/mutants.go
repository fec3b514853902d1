// Mutants: a rule that is broken in the source, and the test that must notice

package mutants

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// Mutant is one rule that is broken.
type Mutant struct {
	Name string
	What string // what the code does wrong then
	File string // from the root of the module
	Old  string // stands in the file once
	New  string
	Pkg  string // the package of the test that must fail
	Test string
}

// Edited returns the file as the mutant has it.
func (m Mutant) Edited(root string) ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(m.File)))
	if err != nil {
		return nil, fmt.Errorf("mutant %s: %w", m.Name, err)
	}
	if n := strings.Count(string(b), m.Old); n != 1 || m.Old == m.New {
		return nil, fmt.Errorf("mutant %s: %s has the text that it replaces %d times, want once:\n%s", m.Name, m.File, n, m.Old)
	}
	return []byte(strings.Replace(string(b), m.Old, m.New, 1)), nil
}

// Dies returns an error unless the mutant's test fails.
func (m Mutant) Dies(ctx context.Context, root string) error {
	b, err := m.Edited(root)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "mutant")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file, err := filepath.Abs(filepath.Join(root, filepath.FromSlash(m.File)))
	if err != nil {
		return err
	}
	broken, overlay := filepath.Join(dir, "broken.go"), filepath.Join(dir, "overlay.json")
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {file: broken}})
	if err != nil {
		return err
	}
	if err := errors.Join(os.WriteFile(broken, b, 0o600), os.WriteFile(overlay, replace, 0o600)); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "test", "-overlay", overlay, "-vet", "off", "-ldflags", "-s -w", "-count", "1", "-timeout", "2m",
		"-run", "^"+m.Test+"$", "./"+m.Pkg)
	cmd.Dir = root
	said, failed := cmd.CombinedOutput()
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := m.verdict(string(said), failed); err != nil {
		return fmt.Errorf("mutant %s (%s): %w", m.Name, m.What, err)
	}
	return nil
}

// verdict returns nil if the mutant's test has noticed something. said is the output of go test, and failed the error
// that go test has ended with.
func (m Mutant) verdict(said string, failed error) error {
	end := said[max(0, len(said)-2000):]
	switch {
	case failed == nil && strings.Contains(said, "no tests to run"):
		return fmt.Errorf("%s has no test %s", m.Pkg, m.Test)
	case failed == nil:
		return fmt.Errorf("it lives: %s %s passes", m.Pkg, m.Test)
	case strings.Contains(said, "panic: test timed out"):
		return fmt.Errorf("%s %s hangs:\n%s", m.Pkg, m.Test, end)
	case regexp.MustCompile(`(?m)^\s*--- FAIL: ` + m.Test + `\b`).MatchString(said), strings.Contains(said, "\npanic: ") || strings.HasPrefix(said, "panic: "):
		return nil
	}
	return fmt.Errorf("%s %s does not run (%w):\n%s", m.Pkg, m.Test, failed, end)
}
