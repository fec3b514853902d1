package examples_test

import (
	"bytes"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/clstr-go/clstr/cluster"
)

const root = ".."

// repository is what the documents speak of.
type repository struct {
	docs  map[string]string // Markdown, by path from the root
	code  map[string]string // Go files
	paths map[string]bool   // all files and directories
}

func read(t *testing.T) repository {
	t.Helper()
	r := repository{map[string]string{}, map[string]string{}, map[string]bool{}}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if base := d.Name(); d.IsDir() && base != root && (base == "testdata" || base != ".ci" && strings.HasPrefix(base, ".")) {
			return fs.SkipDir
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		r.paths[rel] = true
		into := map[string]map[string]string{".md": r.docs, ".go": r.code}[path.Ext(rel)]
		if into == nil || d.IsDir() {
			return nil
		}
		data, err := os.ReadFile(name)
		into[rel] = string(bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n")))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// trimmed is text as lines, without indentation and empty ones.
func trimmed(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return "\n" + strings.Join(lines, "\n") + "\n"
}

// TestCodeInDocsIsCompiled: every block of Go in a document stands in a Go file.
func TestCodeInDocsIsCompiled(t *testing.T) {
	r := read(t)
	var code []string
	for _, text := range r.code {
		code = append(code, trimmed(text))
	}
	blocks := 0
	for name, text := range r.docs {
		for i, part := range strings.Split(text, "\n```go\n") {
			block, _, _ := strings.Cut(part, "\n```")
			if i == 0 {
				continue
			}
			blocks++
			if !slices.ContainsFunc(code, func(c string) bool { return strings.Contains(c, trimmed(block)) }) {
				t.Errorf("%s: no Go file has this code:\n%s", name, block)
			}
		}
	}
	if blocks == 0 {
		t.Error("no document has a block of Go")
	}
}

var (
	testName = regexp.MustCompile(`\b(Test|Benchmark|Fuzz)[A-Z]\w+`)
	goFile   = regexp.MustCompile(`\b[\w./-]+\.(go|proto)\b`)
	link     = regexp.MustCompile(`\]\(([^)#\s]+)(#[^)]*)?\)`)
	block    = regexp.MustCompile("(?s)\n```.*?\n```")
)

// TestNamesInDocsExist: what a document names is there: tests, Go files, and
// what it links to.
func TestNamesInDocsExist(t *testing.T) {
	r := read(t)
	tests := map[string]bool{}
	for name, text := range r.code {
		if strings.HasSuffix(name, "_test.go") {
			for _, m := range regexp.MustCompile(`(?m)^func (\w+)\(`).FindAllStringSubmatch(text, -1) {
				tests[m[1]] = true
			}
		}
	}
	for name, text := range r.docs {
		for _, test := range testName.FindAllString(text, -1) {
			if !tests[test] {
				t.Errorf("%s: there is no %s", name, test)
			}
		}
		for _, file := range goFile.FindAllString(text, -1) {
			if !strings.HasPrefix(file, "github.com/") && !r.has(file) {
				t.Errorf("%s: there is no file %s", name, file)
			}
		}
		for _, m := range link.FindAllStringSubmatch(block.ReplaceAllString(text, ""), -1) {
			to := path.Join(path.Dir(name), m[1])
			if !strings.Contains(m[1], "://") && !r.paths[to] {
				t.Errorf("%s: links to %s, which is not there", name, to)
			}
		}
	}
}

// has reports whether a file is there, under its path from the root, or, if that
// has only a name, somewhere.
func (r repository) has(file string) bool {
	if strings.Contains(file, "/") {
		return r.paths[file]
	}
	for p := range r.paths {
		if path.Base(p) == file {
			return true
		}
	}
	return false
}

// TestDrawing: the path of a request is drawn alike in both places, and each line
// names a file and a method that is in it.
func TestDrawing(t *testing.T) {
	r := read(t)
	_, after, _ := strings.Cut(r.docs["docs/architecture.md"], "```text\ncluster/client.go")
	drawing, _, _ := strings.Cut(after, "\n```")
	drawing = "cluster/client.go" + drawing
	if comment := "//\t" + strings.ReplaceAll(drawing, "\n", "\n//\t") + "\n"; !strings.Contains(r.code["cluster/doc.go"], comment) {
		t.Errorf("cluster/doc.go draws another path than docs/architecture.md:\n%s", comment)
	}
	steps := regexp.MustCompile(`(?m)^([\w/]+\.go) +(\w+)\.(\w+)`).FindAllStringSubmatch(drawing, -1)
	if len(steps) < 8 {
		t.Errorf("%d steps in the drawing:\n%s", len(steps), drawing)
	}
	for _, step := range steps {
		method := regexp.MustCompile(`\(\w+ \*?` + step[2] + `\) ` + step[3] + `\(`)
		if !method.MatchString(r.code[step[1]]) {
			t.Errorf("the drawing says that %s has the method %s of %s", step[1], step[3], step[2])
		}
	}
}

// TestPictureOfConcepts: the keys in the picture of docs/concepts.md are in its shards.
func TestPictureOfConcepts(t *testing.T) {
	for key, shard := range map[string]uint32{"acc-1": 233, "acc-168": 233, "user-123": 7} {
		if got := cluster.ShardFromString(key, cluster.DefaultNumShards, ""); got != shard {
			t.Errorf("%s is in shard %d, not %d", key, got, shard)
		}
		if !strings.Contains(read(t).docs["docs/concepts.md"], key+" ") {
			t.Errorf("docs/concepts.md has no %s", key)
		}
	}
}

// TestExamplesAreShort: one is read in one sitting. What cluster has beyond that is
// what a process needs around it.
func TestExamplesAreShort(t *testing.T) {
	lines := map[string]int{}
	for name, text := range read(t).code {
		if dir := path.Dir(name); path.Dir(dir) == "examples" && !strings.HasSuffix(name, "_test.go") {
			lines[path.Base(dir)] += strings.Count(text, "\n")
		}
	}
	for _, name := range []string{"bank", "counter", "quickstart", "transfer"} {
		if n := lines[name]; n == 0 || n >= 120 {
			t.Errorf("examples/%s has %d lines", name, n)
		}
	}
}
