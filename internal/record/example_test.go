package record_test

import (
	"errors"
	"fmt"

	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/sharding"
)

// A tool reads the nodes and the owners of shards from a cluster's records, which any
// store shows in a snapshot.
func ExampleDecode() {
	entries := []membership.Entry{
		{Key: "n.node-1.7f3a", Rev: 41, Value: []byte(`{"state":"active","ctr":12,"lease_ms":10000,"zone":"a","layout":"5d0c"}`)},
		{Key: "s.0.7", Rev: 42, Value: []byte(`{"owner":"node-1.7f3a","epoch":3,"why":"handoff","from":"node-2.09bc","newer":true}`)},
		{Key: "s.0.8", Rev: 43, Value: []byte(`{"owner":7}`)},
	}
	for _, e := range entries {
		if ref, ok := record.ParseMemberKey(e.Key); ok {
			m, err := record.Decode[record.Member](e.Value)
			fmt.Println(ref.Name, "is", m.State, "in zone", m.Zone, err)
		}
		if shard, ok := record.ParseShardKey(e.Key); ok {
			s, err := record.DecodeShard(e)
			if err != nil {
				fmt.Printf("shard %d: not readable\n", shard)
				continue
			}
			fmt.Printf("shard %d is %s's in epoch %d, by %s from %s\n", shard, s.Owner.Name, s.Epoch, s.Why, s.From.Name)
		}
	}
	// Output:
	// node-1 is active in zone a <nil>
	// shard 7 is node-1's in epoch 3, by handoff from node-2
	// shard 8: not readable
}

// A node whose layout is not the cluster's is told what differs.
func ExampleConfig_Check() {
	cluster := record.NewConfig(sharding.Layout{NumShards: 1024, Seed: "prod"})
	for _, layout := range []sharding.Layout{{NumShards: 1024, Seed: "prod"}, {NumShards: 512, Seed: "prod"}} {
		err := record.NewConfig(layout).Check(cluster)
		fmt.Println(errors.Is(err, outcome.ErrLayoutMismatch), err)
	}
	// Output:
	// false <nil>
	// true layout mismatch: NumShards 512, the cluster has 1024
}
