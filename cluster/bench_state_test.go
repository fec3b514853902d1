package cluster_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/memstate"
	"github.com/clstr-go/clstr/state/natsstate"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport/memtransport"
)

// BenchmarkOpenShards starts a node with 1,024 shards and waits until the state of all is open. The
// yardstick is the same start without a store.
func BenchmarkOpenShards(b *testing.B) {
	const shards = 1024
	stores := map[string]func(b *testing.B) state.Store{
		"none":     func(*testing.B) state.Store { return nil },
		"memstate": func(*testing.B) state.Store { return memstate.New() },
		"natsstate": func(b *testing.B) state.Store {
			url := testkit.StartNATSServer(b, &server.Options{JetStream: true, StoreDir: b.TempDir()}).URL()
			s, err := natsstate.Open(b.Context(), natsstate.Options{URL: url, Log: quiet})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = s.Close() })
			return s
		},
	}
	for _, name := range []string{"none", "memstate", "natsstate"} {
		b.Run(name, func(b *testing.B) {
			store := stores[name](b)
			for b.Loop() {
				tr := memtransport.New(memtransport.Options{}).WithLog(quiet)
				node := cluster.NewNode(cluster.NodeOptions{NodeID: "a", Transport: tr, NumShards: shards, State: store, Handler: echoData,
					Shards: cluster.ShardsForNode("a", []string{"a"}, shards, ""), Log: quiet})
				stop, err := node.Start(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				look := time.NewTicker(time.Millisecond)
				for node.Health().ShardsWithoutState > 0 {
					<-look.C
				}
				look.Stop()
				b.StopTimer()
				if err := stop(); err != nil {
					b.Error(err)
				}
				_ = tr.Close()
				b.StartTimer()
			}
		})
	}
}
