package examples_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/clstr-go/clstr/internal/natstest"
)

// TestMain is curl too, so that TestStart needs none.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "curl" {
		os.Exit(curl(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// curl takes what docs/start.md gives it: -sf, -X METHOD, a URL.
func curl(args []string) int {
	method, fails := http.MethodGet, false
	for len(args) > 1 {
		switch args[0] {
		case "-X":
			method, args = args[1], args[1:]
		case "-sf":
			fails = true
		default:
			fmt.Fprintln(os.Stderr, "curl: unknown flag", args[0])
			return 2
		}
		args = args[1:]
	}
	req, err := http.NewRequest(method, "http://"+args[0], nil)
	if err != nil {
		return 3
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 7
	}
	defer res.Body.Close()
	if fails && res.StatusCode >= 400 {
		return 22
	}
	_, _ = io.Copy(os.Stdout, res.Body)
	return 0
}

var (
	fenced = regexp.MustCompile("(?s)\n```(\\w+)\n(.*?)\n```")
	saveAs = regexp.MustCompile("Save\\s+this as `([\\w.]+)`")
)

// TestStart does what docs/start.md says: its commands one after the other, in one shell,
// with the files that it has its reader save. What a block of text shows must be what the
// commands before it print. Only the ports are others.
func TestStart(t *testing.T) {
	const page = "docs/start.md"
	text := read(t).docs[page]
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	server := regexp.MustCompile(`github.com/nats-io/nats-server/v2[ @](v[\d.]+)`)
	if ours, shown := server.FindSubmatch(mod), server.FindStringSubmatch(text); string(ours[1]) != shown[1] {
		t.Errorf("%s takes the server %s, and go.mod %s", page, shown[1], ours[1])
	}
	for _, port := range []string{"4222", "8081", "8082"} {
		text = strings.ReplaceAll(text, "127.0.0.1:"+port, "127.0.0.1:"+fmt.Sprint(natstest.FreePort(t)))
	}
	port := regexp.MustCompile(`nats://127.0.0.1:(\d+)`).FindStringSubmatch(text)[1]
	text = strings.ReplaceAll(text, "./nats-server -a", "./nats-server -p "+port+" -a")
	dir := t.TempDir()
	repo, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"clstr": repo, "curl": self} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}

	// %(...) of job control needs -m. What is left running ends with the shell.
	script := "set -em\ntrap 'kill -9 $(jobs -p) 2>/dev/null || true' EXIT\n"
	outputs, last := map[string]string{}, ""
	for i, at := range fenced.FindAllStringSubmatchIndex(text, -1) {
		name, before := fmt.Sprint(dir, "/block", i), text[:at[0]]
		language, block := text[at[2]:at[3]], text[at[4]:at[5]]+"\n"
		switch language {
		case "go":
			names := saveAs.FindAllStringSubmatch(before, -1)
			if err := os.WriteFile(name, []byte(block), 0o600); err != nil {
				t.Fatal(err)
			}
			script += fmt.Sprintf("cp %s %s\n", name, names[len(names)-1][1])
		case "sh":
			script += fmt.Sprintf("{\n%s} > %s\n", block, name)
			last = name
		case "text":
			outputs[last] = block
		}
	}
	if len(outputs) < 3 {
		t.Fatalf("%s shows %d outputs", page, len(outputs))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	shell := exec.CommandContext(ctx, "bash", "-c", script)
	shell.Dir = dir
	shell.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "GOFLAGS=", "GOWORK=off")
	shell.Cancel = func() error { return shell.Process.Signal(syscall.SIGTERM) }
	shell.WaitDelay = 10 * time.Second
	began := time.Now()
	if out, err := shell.CombinedOutput(); err != nil {
		logs, _ := filepath.Glob(dir + "/bank/*.log")
		for _, log := range logs {
			b, _ := os.ReadFile(log)
			t.Logf("%s:\n%s", filepath.Base(log), b)
		}
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("took %v", time.Since(began).Round(time.Second))
	for name, want := range outputs {
		if got, err := os.ReadFile(name); err != nil || !strings.HasSuffix(string(got), want) {
			t.Errorf("%s shows\n%sand the commands print\n%s", page, want, got)
		}
	}
}
