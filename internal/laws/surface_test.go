package laws

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// allowance is a line of testdata/surface.txt: how many exported names a feature has
// brought to a package.
type allowance struct {
	pkg     string
	lines   int
	feature string
}

const surfaceFile = "testdata/surface.txt"

// TestSurfaceIsAllowed counts the lines of exported names of each package. The count
// rises only with a line of testdata/surface.txt that names the feature, and falls with
// make api.
func TestSurfaceIsAllowed(t *testing.T) {
	all := allowances(t)
	pkgs := publicPackages(t)
	load := typesOf(t, pkgs)
	if *update {
		all = slices.DeleteFunc(all, func(a allowance) bool { return !slices.Contains(pkgs, a.pkg) })
	}
	for _, pkg := range pkgs {
		allowed := 0
		for _, a := range all {
			if a.pkg == pkg {
				allowed += a.lines
			}
		}
		switch have := len(exported(load(pkg))); {
		case have > allowed:
			t.Errorf("%s exports %d lines of names, and %d are allowed: make it less, or add %q to %s, with the feature's name",
				pkg, have, allowed, fmt.Sprintf("%s %d FEATURE", pkg, have-allowed), surfaceFile)
		case have < allowed && *update:
			all = fewer(all, pkg, allowed-have)
		case have < allowed:
			t.Errorf("%s exports %d lines of names only, of %d that are allowed: make api lowers the bound", pkg, have, allowed)
		}
	}
	for _, a := range all {
		if !slices.Contains(pkgs, a.pkg) {
			t.Errorf("%s is no public package: make api takes it out of %s", a.pkg, surfaceFile)
		}
	}
	if *update {
		var b bytes.Buffer
		for _, a := range all {
			fmt.Fprintln(&b, a.pkg, a.lines, a.feature)
		}
		if err := os.WriteFile(surfaceFile, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// fewer takes lines from a package's allowances, the latest first.
func fewer(all []allowance, pkg string, lines int) []allowance {
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].pkg == pkg {
			less := min(lines, all[i].lines)
			all[i].lines -= less
			lines -= less
		}
	}
	return slices.DeleteFunc(all, func(a allowance) bool { return a.lines == 0 })
}

func allowances(t *testing.T) (all []allowance) {
	t.Helper()
	for _, line := range read(t, surfaceFile) {
		var a allowance
		rest := ""
		a.pkg, rest, _ = strings.Cut(line, " ")
		count, feature, _ := strings.Cut(rest, " ")
		if _, err := fmt.Sscan(count, &a.lines); err != nil || feature == "" {
			t.Fatalf("%s: %q: want PACKAGE COUNT FEATURE", surfaceFile, line)
		}
		a.feature = feature
		all = append(all, a)
	}
	return all
}

// namesInternal may name a type of an internal package in what it exports, each with the
// reason. The list only shrinks.
var namesInternal = map[string]string{
	"Transport.Backend": "how a node finds the node side of a transport",
}

// TestExportedNamesNameNoInternalType: no other module could call such a func, or implement
// such an interface.
func TestExportedNamesNameNoInternalType(t *testing.T) {
	pkgs := publicPackages(t)
	load := typesOf(t, pkgs)
	used := map[string]bool{}
	for _, pkg := range pkgs {
		for _, line := range exported(load(pkg)) {
			if !strings.Contains(line, "internal/") {
				continue
			}
			name, _, _ := strings.Cut(strings.Replace(strings.TrimPrefix(line, "method (*"), ") ", ".", 1), "(")
			if used[name] = true; namesInternal[name] == "" {
				t.Errorf("%s: %s: no other module can name the internal type", pkg, line)
			}
		}
	}
	for name := range namesInternal {
		if !used[name] {
			t.Errorf("%s is not there: take its line out of namesInternal", name)
		}
	}
}
