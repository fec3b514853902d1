package examples_test

import (
	"path"
	"regexp"
	"strings"
	"testing"
)

// promises returns the rows of the table that leads from promises to their tests, but
// for its headings.
func promises(t *testing.T, doc string) [][]string {
	t.Helper()
	_, table, ok := strings.Cut(doc, "| promise | test |\n|---|---|\n")
	if !ok {
		t.Fatal("docs/testing.md has no table of promises")
	}
	var rows [][]string
	for line := range strings.Lines(table) {
		if !strings.HasPrefix(line, "|") {
			break
		}
		cells := strings.Split(strings.Trim(line, "| \n"), " | ")
		if strings.HasPrefix(cells[0], "**") {
			continue
		}
		rows = append(rows, cells)
	}
	return rows
}

var (
	// guard is what the table names in its second column.
	guard = regexp.MustCompile("^(?:`([\\w./]+)\\.((?:Test|Fuzz)\\w+)`|suite: `([\\w ]+)`)$")
	group = regexp.MustCompile(`(?m)^\s+\{"([\w ]+)", \w+Tests\},$`)
)

// TestPromisesAreGuarded: each row of docs/testing.md's table has a test, and each test
// that it names is in the directory that it names.
func TestPromisesAreGuarded(t *testing.T) {
	r := read(t)
	tests := map[string]bool{} // "dir.TestName"
	for name, text := range r.code {
		if strings.HasSuffix(name, "_test.go") {
			for _, m := range regexp.MustCompile(`(?m)^func (\w+)\(`).FindAllStringSubmatch(text, -1) {
				dir := path.Dir(name)
				if dir == "." {
					dir = "clstr"
				}
				tests[dir+"."+m[1]] = true
			}
		}
	}
	groups := map[string]bool{}
	for _, m := range group.FindAllStringSubmatch(r.code["transport/transporttest/transporttest.go"], -1) {
		groups[m[1]] = true
	}
	rows := promises(t, r.docs["docs/testing.md"])
	if len(rows) < 50 || len(groups) < 10 {
		t.Fatalf("%d promises, %d groups of the suite", len(rows), len(groups))
	}
	seen := map[string]bool{}
	for _, row := range rows {
		if len(row) != 2 || row[0] == "" || seen[row[0]] {
			t.Errorf("not a promise of its own with its tests: %q", row)
			continue
		}
		seen[row[0]] = true
		for _, name := range strings.Split(row[1], ", ") {
			m := guard.FindStringSubmatch(name)
			switch {
			case m == nil:
				t.Errorf("%s: %s is neither a test nor a group of the suite", row[0], name)
			case m[3] != "" && !groups[m[3]]:
				t.Errorf("%s: the suite has no group %q", row[0], m[3])
			case m[3] == "" && !tests[m[1]+"."+m[2]]:
				t.Errorf("%s: %s has no test %s", row[0], m[1], m[2])
			}
		}
	}
}
