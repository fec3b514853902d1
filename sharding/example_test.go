package sharding_test

import (
	"fmt"

	"github.com/clstr-go/clstr/sharding"
)

// A client maps keys to shards, and the nodes share the shards out; nobody has
// to be asked.
func Example() {
	layout := sharding.Layout{NumShards: 8, Seed: "prod"}
	shard := layout.Shard("user-123")
	fmt.Println("user-123 -> shard", shard)
	nodes := []string{"node-1", "node-2"}
	for _, id := range nodes {
		fmt.Println(id, "owns", sharding.ShardsForNode(id, nodes, layout.NumShards, layout.Seed))
	}
	// Output:
	// user-123 -> shard 2
	// node-1 owns [0 1 4 5 7]
	// node-2 owns [2 3 6]
}

// A node that joins takes shards over; none moves between those that were there.
func ExampleAssignment() {
	a, err := sharding.NewAssignment(sharding.Layout{NumShards: 8, Seed: "prod"}, []string{"node-1", "node-2"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, m := range a.Join("node-3", 1) {
		fmt.Printf("shard %d moves from %s to %s\n", m.Shard, m.From, m.To)
	}
	owner, _ := a.Owner(0)
	fmt.Println("shard 0 belongs to", owner)
	// Output:
	// shard 1 moves from node-1 to node-3
	// shard 3 moves from node-2 to node-3
	// shard 0 belongs to node-1
}

func ExampleLayout_Fingerprint() {
	one := sharding.Layout{NumShards: 8, Seed: "prod"}
	other := sharding.Layout{NumShards: 8, Seed: "test"}
	same := one
	fmt.Println(one.Fingerprint() == same.Fingerprint(), one.Fingerprint() == other.Fingerprint())
	// Output: true false
}
