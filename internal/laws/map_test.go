package laws

import (
	"fmt"
	"go/doc"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const mapOfFiles = "docs/files.md"

const mapHead = `# The files

What is in which file, package by package. ` + "`make map`" + ` writes this page: a package's words
are the first sentence of its comment, and a file's words are its first line. Change them
there. [architecture.md](architecture.md) shows how the packages work together.
`

// TestMap compares docs/files.md with the first lines of the files.
func TestMap(t *testing.T) {
	name := filepath.Join(root, filepath.FromSlash(mapOfFiles))
	got := strings.Split(strings.TrimSuffix(drawMap(t), "\n"), "\n")
	if *update {
		write(t, name, got)
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != strings.Join(got, "\n")+"\n" {
		t.Errorf("%s is not what the files say: make map writes it:\n%s", mapOfFiles, compare(strings.Split(string(want), "\n"), got))
	}
}

// drawMap is the page: a section for each package that is no example, a row for each
// of its files that is neither a test nor generated.
func drawMap(t *testing.T) string {
	t.Helper()
	about, rows := make(map[string]string), make(map[string][]string)
	for _, f := range files(t) {
		if f.test || f.generated || matches("examples/...", f.pkg) {
			continue
		}
		if f.syntax.Doc != nil {
			about[f.pkg] = new(doc.Package).Synopsis(f.syntax.Doc.Text())
		}
		base := path.Base(f.path)
		switch {
		case f.about != "":
			rows[f.pkg] = append(rows[f.pkg], fmt.Sprintf("| [%s](../%s) | %s |", base, f.path, strings.ReplaceAll(f.about, "|", `\|`)))
		case base != "doc.go":
			t.Errorf("%s: the first line says what is in the file, as a comment with an empty line after it; then make map", f.path)
		}
	}
	page := mapHead
	for _, pkg := range ourPackages(t) {
		if about[pkg] == "" && rows[pkg] == nil {
			continue
		}
		page += fmt.Sprintf("\n## `%s`\n\n%s\n", pkg, about[pkg])
		if slices.Sort(rows[pkg]); rows[pkg] != nil {
			page += "\n| file | what is in it |\n|---|---|\n" + strings.Join(rows[pkg], "\n") + "\n"
		}
	}
	return page
}
