package embed_test

import (
	"bufio"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/embed"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/testkit"
)

// TestNamesOfNodes: a node without a name gets the first that is free, and a name that was given counts.
func TestNamesOfNodes(t *testing.T) {
	testkit.CheckLeaks(t)
	on := embed.Dir(t.TempDir())
	given := options(on)
	given.Node.NodeID = "embedded-2"
	named, err := clstr.Open(t.Context(), given)
	if err != nil {
		t.Fatal(err)
	}
	a, b := open(t, on), open(t, on)
	client := options(on)
	client.Entities, client.Shards = nil, 0
	c, err := clstr.Open(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	for _, svc := range []*clstr.Service{a, c, named} {
		if err := svc.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	again := open(t, on)
	for name, svc := range map[string]*clstr.Service{"embedded-1": a, "embedded-2": named, "embedded-3": b} {
		if got := svc.Node().Health().NodeID; got != name {
			t.Errorf("%s is named %s", name, got)
		}
	}
	if got := again.Node().Health().NodeID; got != "embedded-1" {
		t.Errorf("after the first has ended, a new one is named %s", got)
	}
}

// TestKilledProcessIsNotWaitedFor: a process that is started again in the folder serves at once, although
// the lease of the one that was killed lasts for an hour, longer than the test may take.
func TestKilledProcessIsNotWaitedFor(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Log("no other system proves that the former process has ended")
		return
	}
	testkit.CheckLeaks(t)
	dir := t.TempDir()
	other := another(t, dir)
	other.Env = append(other.Env, "CLSTR_EMBED_LONG=1")
	said, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(said).ReadString('\n'); line != "serves\n" {
		t.Errorf("it says %q, %v", line, err)
	}
	if err := other.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = other.Wait() // killed
	t.Setenv("CLSTR_EMBED_LONG", "1")
	add(t, open(t, embed.Dir(dir)), "k", 1)
}

// timing is that of the nodes of these tests.
func timing() membership.Timing {
	timing := testkit.LiveTiming
	if os.Getenv("CLSTR_EMBED_LONG") != "" {
		timing.Lease, timing.Margin, timing.Delta = time.Hour, time.Minute, time.Minute
	}
	return timing
}
