package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestBinary: the process ends with the codes that clstr help exit-codes lists, and
// keeps what is for people apart from what is for pipes.
func TestBinary(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "clstr")
	if out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	l := startLive(t, "a", "b")
	for _, c := range []struct {
		exit int
		args []string
	}{
		{0, []string{"nodes"}},
		{0, []string{"request", "counter", "k", "Add", `{"N": 1}`}},
		{0, []string{"completion", "bash"}},
		{0, []string{"version"}},
		{2, []string{"nodes", "surplus"}},
		{2, []string{"completion", "xx"}},
		{2, []string{"help", "xx"}},
		{3, []string{"nodes", "--server", "nats://127.0.0.1:1"}},
		{4, []string{"nodes", "--prefix", "other"}},
		{5, []string{"plan", "--remove", "zz"}},
		{10, []string{"request", "counter", "", "Add"}},
		{11, []string{"request", "counter", "k", "Nope"}},
		{13, []string{"request", "counter", "k", "Add", `{"N": -1}`}},
		{0, []string{"drain", "a"}},
		{5, []string{"drain", "a"}},
		{8, []string{"drain", "b"}},
	} {
		cmd := exec.Command(bin, c.args...)
		cmd.Env = append(os.Environ(), "NATS_URL="+l.url, "HOME="+t.TempDir(), "XDG_CONFIG_HOME=", "NATS_CONTEXT=")
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		err := cmd.Run()
		var ended *exec.ExitError
		if err != nil && !errors.As(err, &ended) {
			t.Fatal(err)
		}
		if exit := cmd.ProcessState.ExitCode(); exit != c.exit || (exit == 0) != (out.Len() > 0) || exit != 0 && errs.Len() == 0 {
			t.Errorf("clstr %q: exit code %d, want %d, with\n%s---\n%s", c.args, exit, c.exit, out.String(), errs.String())
		}
	}
}
