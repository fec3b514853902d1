package cluster_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
)

// owners asks for the owners of the shards from first on, and returns their epochs and nodes, the
// number of shards and the seed.
func (h *hand) owners(first uint64) (epochs []uint64, nodes []string, shards uint64, seed string) {
	h.t.Helper()
	told := h.askOwners(first, false)
	epochs = packed(told.texts[3])
	if told.numbers[2] != first {
		h.t.Errorf("asked from shard %d on, the answer is %+v", first, told)
	}
	for _, i := range packed(told.texts[7]) {
		if i == 0 {
			nodes = append(nodes, "")
		} else {
			nodes = append(nodes, told.all[6][i-1])
		}
	}
	return epochs, nodes, told.numbers[4], told.texts[5]
}

// TestOwnersByHand: the document is enough to find the owners of a live cluster, by a
// plain socket, and to call them; a shard that has moved is found again.
func TestOwnersByHand(t *testing.T) {
	const shards, seed = 8, "prod"
	at := testkit.StartNATSServer(t, &server.Options{JetStream: true, StoreDir: t.TempDir()}).URL()
	def := actor.Define("account", func(string) *byHand { return new(byHand) }, actor.OnRequest((*byHand).Deposit))
	c := testkit.NewCluster(t, testkit.ClusterOptions{
		Live: true, Nodes: 2, NumShards: shards, Seed: seed, Transport: testkit.NATS, NATSURL: at, Prefix: "hand", Log: quiet,
		Kinds: map[string]cluster.ServerHandlerFunc{"account": cluster.NewActorHandler(def.New)},
	})
	c.Settle()
	h := shakeHands(t, at)
	h.prefix = "hand"
	ask := func(i int, node string, epoch uint64) (sum int64, fault parsed, reply parsed) {
		t.Helper()
		reply, fault, status := h.requestAt(node, epoch, "account", fmt.Sprint("acc-", i), "Deposit", `{"Amount":5}`, shards, handLayout(seed, shards))
		var got map[string]int64
		if err := json.Unmarshal([]byte(reply.texts[2]), &got); err != nil && len(fault.texts) == 0 {
			t.Errorf("account %d: %+v, %q", i, reply, status)
		}
		return got["sum"], fault, reply
	}
	all := func(deposits int64) (epochs []uint64, nodes []string) {
		epochs, nodes, n, s := h.owners(0)
		if len(epochs) != shards || len(nodes) != shards || n != shards || s != seed {
			t.Fatalf("%d epochs and %d nodes of %d shards with the seed %q", len(epochs), len(nodes), n, s)
		}
		for i := range 20 {
			shard := handShard(fmt.Sprint("acc-", i), seed, shards)
			if sum, fault, _ := ask(i, nodes[shard], epochs[shard]); sum < 5 || sum > deposits*5 || len(fault.texts) > 0 {
				t.Errorf("account %d: %d, %+v", i, sum, fault)
			}
		}
		return epochs, nodes
	}
	before, nodes := all(1)
	if rest, at, _, _ := h.owners(6); len(rest) != 2 || rest[0] != before[6] || rest[1] != before[7] || at[1] != nodes[7] {
		t.Errorf("from shard 6 on: %d, of %d", rest, before)
	}
	if none, _, n, s := h.owners(1<<32 - 1); len(none) != 0 || n != shards || s != seed {
		t.Errorf("beyond all shards: %d epochs of %d shards with the seed %q", len(none), n, s)
	}
	if node, epoch := h.owner(3); node != nodes[3] || epoch != before[3] {
		t.Errorf("the owner of shard 3: %s in epoch %d, want %s in %d", node, epoch, nodes[3], before[3])
	}
	c.StartNode("node-2")
	c.Settle()
	after, at2 := all(2)
	moved, named := 0, 0
	for shard, epoch := range after {
		if epoch < before[shard] || epoch == before[shard] != (at2[shard] == nodes[shard]) {
			t.Errorf("shard %d was in epoch %d at %s and is in %d at %s", shard, before[shard], nodes[shard], epoch, at2[shard])
		}
		if epoch > before[shard] {
			moved++
		}
	}
	if moved == 0 || moved == shards {
		t.Errorf("%d of %d shards have moved", moved, shards)
	}
	for i := range 20 { // a node that has handed a shard over names the owner
		shard := handShard(fmt.Sprint("acc-", i), seed, shards)
		if after[shard] == before[shard] {
			continue
		}
		_, fault, reply := ask(i, nodes[shard], before[shard])
		if fault.texts[1] != "not_owner" || fault.numbers[2] != 2 || reply.numbers[4] != after[shard] || reply.texts[5] != at2[shard] {
			t.Errorf("account %d at the owner of before: %+v, %+v", i, reply, fault)
		}
		named++
	}
	if named == 0 {
		t.Error("no account was in a shard that has moved")
	}
}
