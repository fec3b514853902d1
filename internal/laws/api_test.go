package laws

import (
	"errors"
	"flag"
	"fmt"
	"go/importer"
	"go/types"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata and docs/files.md anew")

const golden = "testdata/api"

// TestAPI compares every exported name, with its signature, with testdata/api:
// no name comes, goes or changes without the change being seen.
func TestAPI(t *testing.T) {
	pkgs := publicPackages(t)
	load := typesOf(t, pkgs)
	want := make(map[string]bool)
	for _, pkg := range pkgs {
		name := filepath.Join(golden, filepath.FromSlash(nameOf(pkg))+".txt")
		want[name] = true
		got := exported(load(pkg))
		if *update {
			write(t, name, got)
			continue
		}
		if diff := compare(read(t, name), got); diff != "" {
			t.Errorf("the exported names of %s are not those of %s (if that is meant: go test ./internal/laws -update):\n%s", pkg, name, diff)
		}
	}
	for _, name := range goldenFiles(t) {
		switch {
		case want[name]:
		case *update:
			if err := os.Remove(name); err != nil {
				t.Error(err)
			}
		default:
			t.Errorf("%s is of no public package (go test ./internal/laws -update removes it)", name)
		}
	}
}

// publicPackages are those that another module can import.
func publicPackages(t *testing.T) []string {
	t.Helper()
	var pkgs []string
	for _, f := range files(t) {
		elems := strings.Split(f.pkg, "/")
		if !f.test && f.syntax.Name.Name != "main" && !slices.Contains(elems, "internal") && !matchesAny(programs, f.pkg) {
			pkgs = append(pkgs, f.pkg)
		}
	}
	slices.Sort(pkgs)
	return slices.Compact(pkgs)
}

// typesOf returns a loader of packages of ours from what the compiler exports:
// the very types that users of the packages see.
func typesOf(t *testing.T, pkgs []string) func(pkg string) *types.Package {
	t.Helper()
	imp := importerOf(t, pkgs)
	return func(pkg string) *types.Package {
		p, err := imp.Import(importPath(pkg))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
}

// importerOf knows the compiled packages and all that they import.
func importerOf(t *testing.T, pkgs []string) types.Importer {
	t.Helper()
	args := []string{"-deps", "-export", "-json=ImportPath,Export"}
	for _, pkg := range pkgs {
		args = append(args, "./"+pkg)
	}
	all, err := goList(nil, args...)
	if err != nil {
		t.Fatal(err)
	}
	return importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		if p, ok := all[path]; ok {
			return os.Open(p.Export)
		}
		return nil, fmt.Errorf("go list does not know %s", path)
	})
}

// compare shows what one list of lines has and the other has not.
func compare(want, got []string) string {
	var b strings.Builder
	for _, line := range want {
		if !slices.Contains(got, line) {
			fmt.Fprintf(&b, "\t- %s\n", line)
		}
	}
	for _, line := range got {
		if !slices.Contains(want, line) {
			fmt.Fprintf(&b, "\t+ %s\n", line)
		}
	}
	return b.String()
}

func read(t *testing.T, name string) []string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return strings.FieldsFunc(string(data), func(r rune) bool { return r == '\n' })
}

func write(t *testing.T, name string, lines []string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

func goldenFiles(t *testing.T) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(golden, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
