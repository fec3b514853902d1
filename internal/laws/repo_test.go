package laws

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const (
	root   = "../.."
	module = "github.com/clstr-go/clstr"
)

// file is one Go file of the module, whatever its build constraints.
type file struct {
	path      string // from the root
	pkg       string // the package's directory, from the root
	test      bool
	generated bool
	about     string // its first line, where that is a comment of its own: what is in it
	lines     int    // without that line
	syntax    *ast.File
	imports   []string
}

var fset = token.NewFileSet()

var loadFiles = sync.OnceValues(func() ([]file, error) {
	var files []file
	if _, err := os.ReadFile(filepath.Join(root, "go.mod")); err != nil {
		return nil, err // read so that the cache of go test sees a change of it
	}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return enter(name, d.Name())
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		f, err := parse(name)
		files = append(files, f)
		return err
	})
	return files, err
})

// enter tells whether a directory belongs to the module.
func enter(name, base string) error {
	if name == root {
		return nil
	}
	if base == "testdata" || base == "vendor" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return fs.SkipDir
	}
	if _, err := os.Stat(filepath.Join(name, "go.mod")); err == nil {
		return fs.SkipDir // a module of its own
	}
	return nil
}

func parse(name string) (file, error) {
	src, err := os.ReadFile(name)
	if err != nil {
		return file{}, err
	}
	rel, err := filepath.Rel(root, name)
	if err != nil {
		return file{}, err
	}
	rel = filepath.ToSlash(rel)
	syntax, err := parser.ParseFile(fset, rel, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return file{}, err
	}
	f := file{
		path:      rel,
		pkg:       path.Dir(rel),
		test:      strings.HasSuffix(rel, "_test.go"),
		generated: ast.IsGenerated(syntax),
		lines:     bytes.Count(src, []byte("\n")),
		syntax:    syntax,
	}
	if first := syntax.Comments; len(first) > 0 && len(first[0].List) == 1 && first[0].Pos() == syntax.FileStart && first[0] != syntax.Doc {
		f.about = strings.TrimPrefix(first[0].List[0].Text, "// ")
		f.lines -= 2
	}
	for _, spec := range syntax.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return file{}, err
		}
		f.imports = append(f.imports, p)
	}
	return f, nil
}

// files returns every Go file of the module.
func files(t *testing.T) []file {
	t.Helper()
	all, err := loadFiles()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// ourPackages returns the directories of the module's packages, from the root.
func ourPackages(t *testing.T) []string {
	t.Helper()
	var dirs []string
	for _, f := range files(t) {
		dirs = append(dirs, f.pkg)
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

// importPath is that of a package of ours.
func importPath(dir string) string { return path.Join(module, dir) }

// nameOf is how golden files call a package: its directory, or the module's name for the
// package at its root.
func nameOf(dir string) string {
	if dir == "." {
		return path.Base(module)
	}
	return dir
}

// ours cuts the module from an import path: "." is the package at its root.
func ours(importPath string) (dir string, ok bool) {
	if importPath == module {
		return ".", true
	}
	return strings.CutPrefix(importPath, module+"/")
}

// outside tells whether a package is neither ours nor of the standard library.
func outside(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	_, our := ours(importPath)
	return strings.Contains(first, ".") && !our
}

// matches tells whether a path is the pattern or, where that ends in "/...",
// the pattern or below it.
func matches(pattern, p string) bool {
	if tree, ok := strings.CutSuffix(pattern, "/..."); ok {
		return p == tree || strings.HasPrefix(p, tree+"/")
	}
	return p == pattern
}

// matchesAny is matches for patterns with spaces between them.
func matchesAny(patterns, p string) bool {
	return slices.ContainsFunc(strings.Fields(patterns), func(pattern string) bool { return matches(pattern, p) })
}

// listed is what the go command says of a package.
type listed struct {
	ImportPath string
	Imports    []string
	Export     string
	Standard   bool
	Module     struct{ Path string }
}

// goList asks the go command, which works without a network once the modules
// are there.
func goList(env []string, args ...string) (map[string]listed, error) {
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.Output()
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		return nil, fmt.Errorf("go list: %w\n%s", err, e.Stderr)
	} else if err != nil {
		return nil, err
	}
	all := make(map[string]listed)
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all[p.ImportPath] = p
	}
}
