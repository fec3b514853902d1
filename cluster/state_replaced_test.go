package cluster_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/internal/natstest"
	"github.com/clstr-go/clstr/state/natsstate"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// TestDurablesAndReplacedServers: three NATS servers are replaced one by one under durable load, while keys
// come and go. No call fails, and each increment takes effect once.
func TestDurablesAndReplacedServers(t *testing.T) {
	testkit.CheckLeaks(t)
	servers := natstest.StartServers(t, true)
	limit, end := context.WithTimeout(t.Context(), 4*time.Minute) // of a busy machine
	defer end()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	connect := func(i int) *natstransport.Transport {
		tr, err := natstransport.Open(limit, natstransport.Options{URL: servers.URLs(i), Log: quiet})
		must(err)
		t.Cleanup(func() { _ = tr.Close() })
		return tr
	}
	const shards = 24
	def := actor.Define("counter", func(string) *counted { return &counted{} },
		actor.Durable(actor.Persistence{}), actor.PassivateAfter(20*time.Millisecond),
		actor.OnRequest(func(c *counted, _ *actor.Context, m add) (total, error) {
			c.Count += m.N
			return total{c.Count}, nil
		}))
	ids := []string{"a", "b", "c"}
	var nodes []*livingNode
	for i, id := range ids {
		store, err := natsstate.Open(limit, natsstate.Options{URL: servers.URLs(i), Name: id, Log: quiet})
		must(err)
		t.Cleanup(func() { _ = store.Close() })
		node := cluster.NewNode(cluster.NodeOptions{
			NodeID: id, Transport: connect(i), NumShards: shards, Shards: cluster.ShardsForNode(id, ids, shards, ""), State: store,
			Kinds: map[string]cluster.ServerHandlerFunc{"counter": cluster.NewActorHandler(def.New)}, Log: quiet,
		})
		ctx, cancel := context.WithCancel(context.Background())
		n := &livingNode{name: id, stop: cancel, ended: make(chan error, 1), Node: node}
		go func() { n.ended <- node.Run(ctx) }() // endNodes waits
		<-node.Ready()
		nodes = append(nodes, n)
	}
	defer endNodes(t, nodes...)
	var clients []*cluster.Client
	for i := range 3 {
		clients = append(clients, newClient(t, cluster.ClientOptions{Transport: connect(i), NumShards: shards}))
	}
	servers.Ready(limit)

	const callers, keys = 9, 10
	var counts [callers][keys]int
	stop := calling(callers, func(caller, i int) bool {
		name := fmt.Sprintf("key-%d-%d", caller, i%keys)
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		key := clients[caller%3].Kind("counter").Key(name)
		sum, err := cluster.NewRequest[add, total](key).Request(ctx, add{1}, cluster.WithID(fmt.Sprint(name, i)))
		counts[caller][i%keys]++
		switch {
		case err != nil:
			t.Errorf("call %d of %s: %v", i, name, err)
			return false
		case sum.Total != counts[caller][i%keys]:
			t.Errorf("call %d of %s: it counts %d, and should count %d", i, name, sum.Total, counts[caller][i%keys])
			return false
		}
		return true
	})
	for i := range 3 {
		servers.Replace(limit, i, "clstr_state")
	}
	stop()
	t.Log(counts)
}
