// CreateTestCluster and CreateInMemoryTransport

package cluster

import (
	"fmt"
	"testing"

	"github.com/clstr-go/clstr/sharding"
)

// CreateInMemoryTransport makes an in-process transport that is closed when the
// test ends.
func CreateInMemoryTransport(t *testing.T) Transport {
	t.Helper()
	tr := NewInMemoryTransport()
	t.Cleanup(func() {
		if err := tr.Close(); err != nil {
			t.Errorf("closing the transport: %v", err)
		}
	})
	return tr
}

// CreateTestCluster starts nodes node-0 to node-(numNodes-1), distributes the shards among
// them, and returns when all are ready. They stop when the test ends. Package testkit has
// more.
func CreateTestCluster(
	t *testing.T,
	tr ServerTransport,
	numNodes int,
	numShards uint32,
	shardSeed string,
	h ServerHandlerFunc,
) {
	t.Helper()
	ids := make([]string, numNodes)
	for i := range ids {
		ids[i] = fmt.Sprintf("node-%d", i)
	}
	for _, id := range ids {
		startTestNode(t, NewNode(NodeOptions{
			NodeID:    id,
			Transport: tr,
			Shards:    sharding.ShardsForNode(id, ids, numShards, shardSeed),
			Handler:   h,
			NumShards: numShards,
			Seed:      shardSeed,
		}))
	}
}

func startTestNode(t *testing.T, n *Node) {
	t.Helper()
	stop, err := n.Start(t.Context())
	if err != nil {
		t.Fatalf("node %s: %v", n.ID(), err)
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("node %s: %v", n.ID(), err)
		}
	})
}
