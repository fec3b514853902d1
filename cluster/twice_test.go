package cluster_test

import (
	"context"
	"testing"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/sharding"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/memtransport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// TestSenderThatLiesAboutTheShard: a sender names the cluster's layout, which is no
// secret, and sends a key to the shard of another. No second actor of the key answers,
// whatever stands before the handler.
func TestSenderThatLiesAboutTheShard(t *testing.T) {
	const numShards = 4
	layout := sharding.Layout{NumShards: numShards}
	key := "acc-1"
	wrong := (layout.Shard(key) + 1) % numShards
	def := actor.Define("account", func(string) *struct{} { return new(struct{}) },
		actor.OnRequest(func(*struct{}, *actor.Context, add) (total, error) { return total{1}, nil }))
	plain := func(context.Context, cluster.Envelope) ([]byte, error) { return []byte("{}"), nil }
	typed, keyed := cluster.NewActorHandler(def.New), cluster.NewKeyHandler(func(string) (cluster.ServerHandlerFunc, error) { return plain, nil })
	memory := memtransport.New(memtransport.Options{}).WithLog(quiet)
	overNATS, err := natstransport.Open(t.Context(), natstransport.Options{URL: testkit.StartNATS(t), Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = memory.Close(), overNATS.Close() })
	for name, tr := range map[string]cluster.Transport{"memory": memory, "NATS": overNATS} {
		for what, h := range map[string]cluster.ServerHandlerFunc{"typed": typed, "wrapped": wrapped(typed), "twice wrapped": wrapped(wrapped(typed)), "funcs": keyed, "wrapped funcs": wrapped(keyed)} {
			t.Run(name+", "+what, func(t *testing.T) {
				stop := startNode(t, cluster.NodeOptions{NodeID: "n", Transport: tr, NumShards: numShards, Shards: []uint32{0, 1, 2, 3}, Handler: h})
				defer stop()
				for _, print := range []uint64{0, layout.Fingerprint()} {
					env := cluster.Envelope{Shard: int(wrong), Key: key, Type: "add", Data: []byte("{}"), NumShards: numShards, Layout: print}
					_, err := tr.Request(t.Context(), env)
					wantError(t, err, cluster.ErrLayoutMismatch, cluster.NotStarted)
					env.Delivery = transport.AwaitAccept
					_, err = tr.Request(t.Context(), env)
					wantError(t, err, cluster.ErrLayoutMismatch, cluster.NotStarted)
				}
				if _, err := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: numShards}).RequestKey(t.Context(), key, "add", []byte("{}")); err != nil {
					t.Errorf("at its own shard: %v", err)
				}
			})
		}
	}
}
