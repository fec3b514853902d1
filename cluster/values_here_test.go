package cluster_test

import (
	"fmt"
	"testing"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/handlers"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// inOneProcess runs a test in both ways in which the messages of a process reach its own node without being encoded: in
// memory, and on one transport over NATS.
func inOneProcess(t *testing.T, test func(t *testing.T, open func() cluster.Transport)) {
	t.Run("memory", func(t *testing.T) {
		tr := cluster.NewInMemoryTransport().WithLog(quiet)
		t.Cleanup(func() { _ = tr.Close() })
		test(t, func() cluster.Transport { return tr })
	})
	t.Run("NATS", func(t *testing.T) {
		url := testkit.StartNATS(t)
		test(t, func() cluster.Transport { return dialNATS(t, natstransport.Options{URL: url}) })
	})
}

func dialNATS(t *testing.T, opts natstransport.Options) *natstransport.Transport {
	t.Helper()
	opts.Log = quiet
	tr, err := natstransport.Open(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tr.Close() })
	return tr
}

// TestValuesOnlyWhereTheOwnerIsHere: over NATS a message is copied if the key's owner is on the client's own transport, and
// encoded if it is not.
func TestValuesOnlyWhereTheOwnerIsHere(t *testing.T) {
	url := testkit.StartNATS(t)
	here, there := dialNATS(t, natstransport.Options{URL: url}), dialNATS(t, natstransport.Options{URL: url})
	desk := actor.Define("desk", func(string) *struct{} { return new(struct{}) },
		actor.OnRequest(func(_ *struct{}, _ *actor.Context, in sheet) (sheet, error) { return in, nil }))
	always := dialNATS(t, natstransport.Options{URL: url, AlwaysOverNATS: true})
	for i, tr := range []cluster.Transport{here, there, always} {
		startNode(t, cluster.NodeOptions{
			NodeID: fmt.Sprint("node-", i), Transport: tr, NumShards: 6, Shards: []uint32{uint32(2 * i), uint32(2*i + 1)},
			Handler: handlers.NewActorHandler(desk.New),
		})
	}
	for _, tr := range []cluster.Transport{here, always} {
		client := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 6})
		for range 2 { // before the first call, and after it
			for i := range 30 {
				key := fmt.Sprint("key-", i)
				shard := cluster.ShardFromString(key, 6, "")
				want := tr == here && shard < 2
				if got := cluster.Carries(client, key); got != want {
					t.Errorf("%s in shard %d: %v", key, shard, got)
				}
				reply, err := cluster.NewRequest[sheet, sheet](client.Key(key)).Request(t.Context(), sheet{Text: key})
				if err != nil || reply.Text != key {
					t.Errorf("%s: %+v, %v", key, reply, err)
				}
			}
		}
	}
}
