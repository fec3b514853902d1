package cluster_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
)

// owners asks who owns the shards from first on, and returns their epochs, the number
// of shards and the seed.
func (h *hand) owners(prefix string, first uint64) (epochs []uint64, shards uint64, seed string) {
	h.t.Helper()
	var ask fields
	ask.number(1, 1)
	ask.number(2, first)
	to := h.inbox + ".who"
	h.say("PUB %s.who %s %d\r\n%s\r\n", prefix, to, len(ask), []byte(ask))
	headers, payload := h.message(to)
	if headers != "" {
		h.t.Fatalf("nobody answers: %q", headers)
	}
	told := parse(h.t, payload)
	if told.numbers[1] != 1 || told.numbers[2] != first {
		h.t.Errorf("asked from shard %d on, the answer is %+v", first, told)
	}
	for b := []byte(told.texts[3]); len(b) > 0; {
		e, n := binary.Uvarint(b)
		epochs, b = append(epochs, e), b[n:]
	}
	return epochs, told.numbers[4], told.texts[5]
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
	all := func(deposits int64) (epochs []uint64) {
		epochs, n, s := h.owners("hand", 0)
		if len(epochs) != shards || n != shards || s != seed {
			t.Fatalf("%d epochs of %d shards with the seed %q", len(epochs), n, s)
		}
		for i := range 20 {
			h.prefix, h.epochs = "hand", epochs
			reply, fault, status := h.request("account", fmt.Sprint("acc-", i), "Deposit", `{"Amount":5}`, shards, handLayout(seed, shards))
			var got map[string]int64
			if err := json.Unmarshal([]byte(reply.texts[2]), &got); err != nil || got["sum"] < 5 || got["sum"] > deposits*5 || len(fault.texts) > 0 {
				t.Errorf("account %d: %+v, %+v, %q", i, reply, fault, status)
			}
		}
		return epochs
	}
	before := all(1)
	if rest, _, _ := h.owners("hand", 6); len(rest) != 2 || rest[0] != before[6] || rest[1] != before[7] {
		t.Errorf("from shard 6 on: %d, of %d", rest, before)
	}
	if none, n, s := h.owners("hand", 1<<32-1); len(none) != 0 || n != shards || s != seed {
		t.Errorf("beyond all shards: %d epochs of %d shards with the seed %q", len(none), n, s)
	}
	c.StopNode("node-0")
	c.Settle()
	moved := 0
	for shard, epoch := range all(2) {
		if epoch < before[shard] {
			t.Errorf("shard %d was in epoch %d and is in %d", shard, before[shard], epoch)
		}
		if epoch > before[shard] {
			moved++
		}
	}
	if moved == 0 || moved == shards {
		t.Errorf("%d of %d shards have moved", moved, shards)
	}
}
