package laws

import (
	"go/build/constraint"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// constrained are the files that not every build has, and what of the Makefile's builds
// them: where the gate leaves one out, its tests skip in silence.
var constrained = map[string]string{
	"embed/lock_unix.go":                "go test -race -timeout 10m ./...\n",
	"examples/live/browser_test.go":     "\t.ci/browser/check\n",
	"cluster/alloc_test.go":             "go test -count 1 -run '^TestAllocationsOf' -v ./cluster\n",
	"sharding/alloc_test.go":            "go test -count 1 -run '^TestShardAllocatesNothing$$' -v ./sharding\n",
	"internal/command/norace_test.go":   "go test -count 1 -run '^TestCommandsAreNotForgotten$$' ./internal/command\n",
	"internal/command/race_test.go":     "go test -race -timeout 10m ./...\n",
	"internal/natsdial/direct.go":       "go test -count 1 -run '^Test(Direct|Watch)' ./internal/natsdial\n",
	"internal/natsdial/indirect.go":     "go test -race -timeout 10m ./...\n",
	"internal/ownership/norace_test.go": "go test -count 1 -run '^(TestMutants|TestClocksRunApart)$$' ./internal/ownership\n",
	"internal/ownership/race_test.go":   "go test -race -timeout 10m ./...\n",
}

func TestNothingIsLeftOutInSilence(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range files(t) {
		for _, group := range f.syntax.Comments {
			for _, c := range group.List {
				if constraint.IsGoBuild(c.Text) && c.Pos() < f.syntax.Package {
					seen[f.path] = true
				}
			}
		}
	}
	if want := slices.Sorted(maps.Keys(constrained)); !slices.Equal(slices.Sorted(maps.Keys(seen)), want) {
		t.Errorf("files with build constraints: %v, want %v", slices.Sorted(maps.Keys(seen)), want)
	}
	makefile, err := os.ReadFile(filepath.Join("..", "..", "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	for path, step := range constrained {
		if !strings.Contains(string(makefile), step) {
			t.Errorf("no step of the Makefile runs %s: %s", path, step)
		}
	}
}
