//go:build !race

// The race detector makes a sync.Pool lose things on purpose, so that what is
// reused is made anew. The gate runs this file by itself (make norace).

package sharding

import (
	"strings"
	"testing"
)

func TestShardAllocatesNothing(t *testing.T) {
	layout := Layout{NumShards: 4096, Seed: "prod"}
	for _, key := range []string{"", "user-123", strings.Repeat("k", 1<<10)} {
		layout.Shard(key) // makes room for it
		if n := testing.AllocsPerRun(1000, func() { layout.Shard(key) }); n != 0 {
			t.Errorf("a key of %d bytes: %v allocations", len(key), n)
		}
	}
	if n := testing.AllocsPerRun(1000, func() { layout.Fingerprint() }); n != 0 {
		t.Errorf("the fingerprint: %v allocations", n)
	}
}
