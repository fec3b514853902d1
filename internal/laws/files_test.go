package laws

import (
	"go/ast"
	"go/doc"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestPackageComments(t *testing.T) {
	comments := make(map[string][]file)
	names := make(map[string]string)
	for _, f := range files(t) {
		if f.test {
			continue
		}
		names[f.pkg] = f.syntax.Name.Name
		if f.syntax.Doc != nil {
			comments[f.pkg] = append(comments[f.pkg], f)
		}
	}
	for pkg, name := range names {
		at := comments[pkg]
		if len(at) != 1 && !generatedOnly(t, pkg) {
			t.Errorf("package %s has %d package comments: one says what it is", pkg, len(at))
			continue
		}
		for _, f := range at {
			if !f.generated && name != "main" && !strings.HasPrefix(f.syntax.Doc.Text(), "Package "+name+" ") {
				t.Errorf("%s: a package comment starts with %q", f.path, "Package "+name)
			}
		}
	}
}

// TestPublicPackagesIntroduceThemselves: a user of a package finds in its doc.go what
// the package is, and beside it an example that runs and whose output is compared.
func TestPublicPackagesIntroduceThemselves(t *testing.T) {
	documented, shown := make(map[string]bool), make(map[string]bool)
	for _, f := range files(t) {
		switch {
		case f.test:
			for _, e := range doc.Examples(f.syntax) {
				shown[f.pkg] = shown[f.pkg] || e.Output != ""
			}
		case path.Base(f.path) == "doc.go":
			documented[f.pkg] = f.syntax.Doc != nil
		}
	}
	for _, pkg := range publicPackages(t) {
		if !documented[pkg] {
			t.Errorf("%s/doc.go is not there, or has no package comment", pkg)
		}
		if !shown[pkg] {
			t.Errorf("no test file of %s has an Example whose Output comment says what it prints: without one go test does not run it", pkg)
		}
	}
}

func generatedOnly(t *testing.T, pkg string) bool {
	for _, f := range files(t) {
		if f.pkg == pkg && !f.generated {
			return false
		}
	}
	return true
}

const (
	maxLines = 300
	noMore   = 350 // whatever the reason
)

// longer are files above maxLines, with the reason why they stay whole.
var longer = map[string]string{}

func TestFilesAreShort(t *testing.T) {
	for _, f := range files(t) {
		if f.test && f.lines > noMore {
			t.Errorf("%s has %d lines, over %d: a test of a further thing has a file of its own", f.path, f.lines, noMore)
		}
		if f.test || f.generated || f.lines <= maxLines || f.lines <= noMore && longer[f.path] != "" {
			continue
		}
		t.Errorf("%s has %d lines, over %d: a further concept is a further file", f.path, f.lines, maxLines)
	}
}

// sleepers may call time.Sleep: in virtual time, or where there is no signal for what
// they wait for.
var sleepers = map[string]string{
	"testkit/alone.go":       "in a synctest bubble: until everything waits, then at once",
	"testkit/entity_test.go": "in the bubble that alone.go opens",
	"testkit/leaks.go":       "nothing tells of a goroutine's end",
}

// Tests and test helpers wait for a signal: a channel, an armed event, virtual time. A
// test that skips itself says nothing.
func TestTestsNeitherSleepNorSkip(t *testing.T) {
	for _, f := range files(t) {
		if !f.test && forTests[f.pkg] == "" && forTests[f.path] == "" {
			continue
		}
		bubble := f.test && slices.Contains(f.imports, "testing/synctest")
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, _ := sel.X.(*ast.Ident)
			switch name := sel.Sel.Name; {
			case name == "Skip" || name == "Skipf" || name == "SkipNow",
				name == "Short" && x != nil && x.Name == "testing":
				t.Errorf("%v: a test skips itself: green has to mean that it ran", fset.Position(sel.Pos()))
			case name == "Sleep" && x != nil && x.Name == "time" && !bubble && sleepers[f.path] == "":
				t.Errorf("%v: time.Sleep outside of virtual time: wait for a signal", fset.Position(sel.Pos()))
			}
			return true
		})
	}
}

var leftover = regexp.MustCompile(`\b(TODO|FIXME|XXX|HACK)\b`)

func TestNothingIsLeftForLater(t *testing.T) {
	for _, f := range files(t) {
		for _, group := range f.syntax.Comments {
			for _, c := range group.List {
				if word := leftover.FindString(c.Text); word != "" && !f.generated {
					t.Errorf("%v: %s: do it or leave it", fset.Position(c.Pos()), word)
				}
			}
		}
	}
}
