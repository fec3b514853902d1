package embed_test

import (
	"os"
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

// timing is that of the nodes of these tests.
func timing() membership.Timing {
	timing := testkit.LiveTiming
	if os.Getenv("CLSTR_EMBED_LONG") != "" {
		timing.Lease, timing.Margin, timing.Delta = time.Hour, time.Minute, time.Minute
	}
	return timing
}
