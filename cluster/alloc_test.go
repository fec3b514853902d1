//go:build !race

// The race detector makes a sync.Pool lose things on purpose, so that what is
// reused is made anew. The gate runs this file by itself (make norace).

package cluster_test

import (
	"context"
	"testing"
)

// TestAllocationsOfARequest in one process: the context that the handler may keep, the message and the reply, and
// nothing of the call itself.
func TestAllocationsOfARequest(t *testing.T) {
	for _, f := range forms(64) {
		most := map[string]float64{"clstr": 3, "clstr-json": 3, "clstr-proto": 5}[f.name]
		t.Run(f.name, func(t *testing.T) {
			key := serve(t, f.handle(does{})).Key("k")
			ask := func() {
				if err := f.ask(context.Background(), key); err != nil {
					t.Fatal(err)
				}
			}
			ask()
			if n := testing.AllocsPerRun(2000, ask); n > most {
				t.Errorf("a request: %v allocations, and not %v", n, most)
			}
		})
	}
}
