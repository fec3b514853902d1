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

// step is a step of the gate: a target of the Makefile, the script that it runs, and what must
// stand in there.
type step struct {
	name   string
	script string
	runs   []string
}

// modulesOfTheirOwn are the folders with a go.mod beside the root's. go test ./... leaves them
// out, so a step of the gate is theirs.
var modulesOfTheirOwn = map[string]step{
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
	for dir, m := range modulesOfTheirOwn {
		m.check(t, "module "+dir)
	}
}

// browser is the step of a test that needs a browser. Its file has a build tag, as
// TestNothingIsLeftOutInSilence knows.
var browser = step{"browser", ".ci/browser/check", []string{"-tags browser -run '^TestBrowser' -v ./examples/live", "tests of the browser have not run"}}

func TestTheBrowserIsRun(t *testing.T) { browser.check(t, "examples/live") }

// check looks for the step in .ci/run, and for what it must run in the Makefile and its script.
func (s step) check(t *testing.T, of string) {
	t.Helper()
	text := func(name string) string {
		b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			t.Error(err)
		}
		return string(b)
	}
	_, steps, _ := strings.Cut(text(".ci/run"), "steps=(")
	steps, _, _ = strings.Cut(steps, ")")
	if !slices.Contains(strings.Fields(steps), s.name) {
		t.Errorf(".ci/run has no step %s, of %s", s.name, of)
	}
	if makefile := text("Makefile"); !strings.Contains(makefile, "\n"+s.name+": ##") || s.script != "Makefile" && !strings.Contains(makefile, "\n\t"+s.script+"\n") {
		t.Errorf("no target %s of the Makefile runs %s, of %s", s.name, s.script, of)
	}
	for _, want := range s.runs {
		if !strings.Contains(text(s.script), want) {
			t.Errorf("%s does not say %q, of %s", s.script, want, of)
		}
	}
}
