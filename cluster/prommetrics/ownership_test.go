package prommetrics_test

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/cluster/prommetrics"
	"github.com/clstr-go/clstr/membership/memstore"
)

// TestShardsThatMove: a first node claims all shards, a second is handed some, and
// what it then hands back counts at the first.
func TestShardsThatMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const shards = 32
		tr, store := cluster.NewInMemoryTransport(), memstore.New()
		defer tr.Close()
		start := func(name string) (reg *prometheus.Registry, stop func()) {
			reg = prometheus.NewRegistry()
			node := cluster.NewNode(cluster.NodeOptions{
				NodeID: name, Transport: tr, Membership: store, NumShards: shards, Metrics: prommetrics.NewClusterMetrics(reg),
				Handler: func(context.Context, cluster.Envelope) ([]byte, error) { return nil, nil },
				Log:     slog.New(slog.NewTextHandler(io.Discard, nil)),
			})
			ctx, cancel := context.WithCancel(context.Background())
			ended := make(chan error, 1)
			go func() { ended <- node.Run(ctx) }() // ends with stop
			<-node.Ready()
			return reg, func() {
				cancel()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			}
		}
		first, stopFirst := start("a")
		time.Sleep(20 * time.Second)
		want(t, first, []sample{{"shards_opened_total", "claim", shards}, {"shards_owned", "a", shards}, {"handoff_pause_seconds", "", -1}})
		second, stopSecond := start("b")
		time.Sleep(20 * time.Second)
		moved := float64(len(cluster.ShardsForNode("b", []string{"a", "b"}, shards, "")))
		want(t, second, []sample{{"shards_opened_total", "handoff", moved}, {"shards_owned", "b", moved}})
		want(t, first, []sample{{"shards_owned", "a", shards - moved}})
		stopSecond()
		time.Sleep(20 * time.Second)
		want(t, first, []sample{{"shards_opened_total", "claim", shards}, {"shards_opened_total", "handoff", moved}, {"shards_owned", "a", shards}})
		want(t, second, []sample{{"shards_owned", "b", 0}})
		stopFirst()
	})
}

func TestPausesOfHandoffs(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := prommetrics.NewClusterMetrics(reg).(cluster.OwnershipMetrics)
	m.ShardOpened("claim", 0)
	m.ShardOpened("handoff", 4*time.Millisecond)
	m.ShardOpened("handoff", 2*time.Second)
	want(t, reg, []sample{{"shards_opened_total", "claim", 1}, {"shards_opened_total", "handoff", 2}, {"handoff_pause_seconds", "", 2}})
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "clstr_cluster_handoff_pause_seconds" {
			if sum := f.GetMetric()[0].GetHistogram().GetSampleSum(); sum != 2.004 {
				t.Errorf("the pauses add up to %v s, want 2.004", sum)
			}
		}
	}
}

// TestCostsOfHandoffs: a node that has handed over tells what that has cost, also
// where it has cost nothing.
func TestCostsOfHandoffs(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := prommetrics.NewClusterMetrics(reg).(cluster.DrainMetrics)
	want(t, reg, []sample{{"handoff_calls_total", "lost", -1}})
	m.ShardDrained(cluster.DrainCounts{})
	want(t, reg, []sample{{"handoff_calls_total", "parked", 0}, {"handoff_calls_total", "dropped", 0}, {"handoff_calls_total", "lost", 0}})
	m.ShardDrained(cluster.DrainCounts{Parked: 5, Dropped: 2, Lost: 1})
	m.ShardDrained(cluster.DrainCounts{Parked: 2})
	want(t, reg, []sample{{"handoff_calls_total", "parked", 7}, {"handoff_calls_total", "dropped", 2}, {"handoff_calls_total", "lost", 1}})
}
