package cluster_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

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

// routes is what a client by hand knows of owners: of each shard the node, and the epoch.
type routes struct {
	*hand
	nodes  []string
	epochs []uint64
}

// deliver sends an envelope to the owner of its shard as the document says: to the node that a refusal names
// if it names a later owner, and otherwise it asks again after a moment. The send gets a node and an epoch.
func (r *routes) deliver(shard uint64, send func(node string, epoch uint64) (reply, fault parsed, status string)) (reply, fault parsed) {
	r.t.Helper()
	for giveUp := time.Now().Add(time.Minute); ; {
		reply, fault, status := parsed{}, parsed{}, "no owner is known"
		if node := r.nodes[shard]; node != "" {
			reply, fault, status = send(node, r.epochs[shard])
		}
		refused := len(fault.texts) > 0 && fault.texts[1] == "not_owner"
		switch {
		case status == "" && !refused:
			return reply, fault
		case refused && fault.numbers[2] != 2:
			r.t.Fatalf("shard %d: a refusal that may have run: %+v", shard, fault)
		case time.Now().After(giveUp):
			r.t.Fatalf("shard %d has no owner within a minute: %+v, %+v, %q", shard, reply, fault, status)
		case refused && reply.numbers[4] > r.epochs[shard] && reply.texts[5] != "":
			r.nodes[shard], r.epochs[shard] = reply.texts[5], reply.numbers[4]
			continue
		}
		<-time.After(10 * time.Millisecond)
		if told := r.askOwners(shard, true); told.texts[6] != "" && packed(told.texts[3])[0] > r.epochs[shard] {
			r.nodes[shard], r.epochs[shard] = told.texts[6], packed(told.texts[3])[0]
		}
	}
}

// TestOwnersByHand: the document is enough to find the owners of a live cluster, by a
// plain socket, and to call them; a shard that has moved is found again.
func TestOwnersByHand(t *testing.T) {
	const shards, seed, accounts = 8, "prod", 20
	at := testkit.StartNATSServer(t, &server.Options{JetStream: true, StoreDir: t.TempDir()}).URL()
	def := actor.Define("account", func(string) *byHand { return new(byHand) }, actor.OnRequest((*byHand).Deposit))
	c := testkit.NewCluster(t, testkit.ClusterOptions{
		Live: true, Timing: noLeaseEnds, Nodes: 2, NumShards: shards, Seed: seed, Transport: testkit.NATS, NATSURL: at, Prefix: "hand", Log: quiet,
		Kinds: map[string]cluster.ServerHandlerFunc{"account": cluster.NewActorHandler(def.New)},
	})
	c.Settle()
	h := shakeHands(t, at)
	h.prefix = "hand"
	all := func() (epochs []uint64, nodes []string) {
		t.Helper()
		epochs, nodes, n, s := h.owners(0)
		if len(epochs) != shards || len(nodes) != shards || n != shards || s != seed {
			t.Fatalf("%d epochs and %d nodes of %d shards with the seed %q", len(epochs), len(nodes), n, s)
		}
		return epochs, nodes
	}
	deposit := func(i int, node string, epoch uint64) (reply, fault parsed, status string) {
		t.Helper()
		return h.requestAt(node, epoch, "account", fmt.Sprint("acc-", i), "Deposit", `{"Amount":5}`, shards, handLayout(seed, shards))
	}
	known := &routes{hand: h}
	deposits := func(most int64) {
		t.Helper()
		for i := range accounts {
			reply, fault := known.deliver(handShard(fmt.Sprint("acc-", i), seed, shards), func(node string, epoch uint64) (reply, fault parsed, status string) {
				return deposit(i, node, epoch)
			})
			var got map[string]int64
			if err := json.Unmarshal([]byte(reply.texts[2]), &got); err != nil || got["sum"] < 5 || got["sum"] > most || len(fault.texts) > 0 {
				t.Errorf("account %d: %+v, %+v", i, reply, fault)
			}
		}
		for giveUp := time.Now().Add(time.Minute); ; { // any node may answer, and each hears of a move in its own time
			epochs, nodes := all()
			if slices.Equal(epochs, known.epochs) && slices.Equal(nodes, known.nodes) {
				return
			}
			if time.Now().After(giveUp) {
				t.Fatalf("the nodes tell of %d at %q, and served %d at %q", epochs, nodes, known.epochs, known.nodes)
			}
			<-time.After(10 * time.Millisecond)
		}
	}
	known.epochs, known.nodes = all()
	deposits(5)
	before, nodes := slices.Clone(known.epochs), slices.Clone(known.nodes)
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
	deposits(10)
	after, at2 := known.epochs, known.nodes
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
	for i := range accounts { // a node that has handed a shard over names the owner as soon as it has heard of it
		shard := handShard(fmt.Sprint("acc-", i), seed, shards)
		if after[shard] == before[shard] {
			continue
		}
		for giveUp := time.Now().Add(time.Minute); ; <-time.After(10 * time.Millisecond) {
			reply, fault, _ := deposit(i, nodes[shard], before[shard])
			if fault.texts[1] != "not_owner" || fault.numbers[2] != 2 {
				t.Fatalf("account %d at the owner of before: %+v, %+v", i, reply, fault)
			}
			if reply.numbers[4] == after[shard] && reply.texts[5] == at2[shard] {
				break
			}
			if reply.numbers[4] > after[shard] || time.Now().After(giveUp) {
				t.Fatalf("account %d: the owner of before names %q in epoch %d, want %q in %d", i, reply.texts[5], reply.numbers[4], at2[shard], after[shard])
			}
		}
		named++
	}
	if named == 0 {
		t.Error("no account was in a shard that has moved")
	}
}
