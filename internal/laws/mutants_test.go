package laws

import (
	"go/parser"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/clstr-go/clstr/internal/mutants"
)

// TestMutantsApply: each mutant replaces a text that is there, in a file that is still Go, and has a test
// that is there. make mutants runs them.
func TestMutantsApply(t *testing.T) {
	names := map[string]bool{}
	for _, m := range mutants.Table {
		if names[m.Name] || m.What == "" {
			t.Errorf("mutant %s: needs a name of its own, and what it does", m.Name)
		}
		names[m.Name] = true
		b, err := m.Edited(root)
		if err != nil {
			t.Error(err)
			continue
		}
		if _, err := parser.ParseFile(fset, m.File, b, 0); err != nil {
			t.Errorf("mutant %s: %v", m.Name, err)
		}
		if !hasTest(t, m.Pkg, m.Test) {
			t.Errorf("mutant %s: %s has no %s", m.Name, m.Pkg, m.Test)
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
