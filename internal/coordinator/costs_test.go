package coordinator

import (
	"context"

	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/outcome"
)

// wantCosts compares what the records of shards that a node has handed over say with
// what their drains have told.
func (cl *cluster) wantCosts(from string) {
	cl.t.Helper()
	entries, _, _ := cl.store.Snapshot(context.Background(), record.ShardPrefix)
	seen := 0
	for _, e := range entries {
		rec, err := record.DecodeShard(e)
		shard, _ := record.ParseShardKey(e.Key)
		if err != nil || rec.From.Name != from || rec.Why != record.HandedOver {
			continue
		}
		seen++
		if want := (outcome.DrainCounts{Parked: 1 + shard}); rec.Cost != want {
			cl.t.Errorf("the record of shard %d has %+v, want %+v", shard, rec.Cost, want)
		}
	}
	if seen == 0 {
		cl.t.Errorf("no shard was handed over by %s", from)
	}
}
