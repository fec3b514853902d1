package laws

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// modulesOfTheirOwn are the folders with a go.mod beside the root's. go test ./... leaves them
// out, so a step of the gate is theirs: a target of the Makefile, and what must stand in the
// script that it runs.
var modulesOfTheirOwn = map[string]struct {
	step   string
	script string
	runs   []string
}{
	"tools":          {"modules", "Makefile", []string{"cd tools && go mod tidy -diff"}},
	".ci/otel":       {"otel", ".ci/otel/check", []string{`"$work/otel"`}},
	"state/sqlstate": {"sql", ".ci/sql/check", []string{"go test -race -count 1 ./...", "-tags postgres -run '^TestPostgres' -v ./...", "tests of PostgreSQL have not run"}},
}

// TestModulesOfTheirOwnAreTested: a module that no step of the gate builds and tests rots in
// silence.
func TestModulesOfTheirOwnAreTested(t *testing.T) {
	var found []string
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == ".git" || d.Name() == ".bench"):
			return fs.SkipDir
		case d.Name() == "go.mod":
			if dir, err := filepath.Rel(root, filepath.Dir(name)); err == nil && dir != "." {
				found = append(found, filepath.ToSlash(dir))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(found)
	if want := slices.Sorted(maps.Keys(modulesOfTheirOwn)); !slices.Equal(found, want) {
		t.Errorf("modules of their own: %q, want %q: each needs a step of the gate", found, want)
	}
	text := func(name string) string {
		b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			t.Error(err)
		}
		return string(b)
	}
	_, steps, _ := strings.Cut(text(".ci/run"), "steps=(")
	steps, _, _ = strings.Cut(steps, ")")
	for dir, m := range modulesOfTheirOwn {
		if !slices.Contains(strings.Fields(steps), m.step) {
			t.Errorf(".ci/run has no step %s, of module %s", m.step, dir)
		}
		if makefile := text("Makefile"); !strings.Contains(makefile, "\n"+m.step+": ##") || m.script != "Makefile" && !strings.Contains(makefile, "\n\t"+m.script+"\n") {
			t.Errorf("no target %s of the Makefile runs %s, of module %s", m.step, m.script, dir)
		}
		for _, want := range m.runs {
			if !strings.Contains(text(m.script), want) {
				t.Errorf("%s does not say %q, of module %s", m.script, want, dir)
			}
		}
	}
}
