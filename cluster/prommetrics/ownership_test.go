package prommetrics_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/internal/record"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/clstr-go/clstr/actor"
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

// TestPauseIsTheRecords: the metric, the shard's record and so clstr drain say one pause of
// a move.
func TestPauseIsTheRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const shards, hook = 8, 200 * time.Millisecond
		tr, store := cluster.NewInMemoryTransport(), memstore.New()
		defer tr.Close()
		slow := actor.Define("slow", func(string) *account { return &account{} },
			actor.OnRequest(func(*account, *actor.Context, deposit) (int, error) { return 1, nil }),
			actor.OnPassivate(func(*account, *actor.Context) error { time.Sleep(hook); return nil }),
		)
		regs := map[string]*prometheus.Registry{"a": prometheus.NewRegistry(), "b": prometheus.NewRegistry()}
		for _, name := range []string{"a", "b"} {
			node := cluster.NewNode(cluster.NodeOptions{
				NodeID: name, Transport: tr, Membership: store, NumShards: shards, Metrics: prommetrics.NewClusterMetrics(regs[name]),
				Handler: cluster.NewActorHandler(slow.New), Log: slog.New(slog.DiscardHandler),
			})
			stop, err := node.Start(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := stop(); err != nil {
					t.Error(err)
				}
			}()
			client, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: shards})
			if err != nil {
				t.Fatal(err)
			}
			for i := range 10 * shards { // keys in each shard: the first node passivates some when the second comes
				if _, err := client.Key(fmt.Sprint(i)).Request(t.Context(), deposit{}); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(20 * time.Second)
		}
		var paused time.Duration
		for shard := range uint32(shards) {
			entry, err := store.Read(t.Context(), record.ShardKey(shard))
			if err != nil {
				t.Fatal(err)
			}
			record, err := record.DecodeShard(entry)
			if err != nil {
				t.Fatal(err)
			}
			if record.Owner.Name == "b" {
				paused += time.Duration(record.PausedUs) * time.Microsecond
			}
		}
		if paused < hook {
			t.Errorf("the records say %v of all moves", paused)
		}
		if sum := pauses(t, regs["b"]); sum != paused {
			t.Errorf("the metric says %v, the records %v", sum, paused)
		}
	})
}

// pauses is what the pauses that were measured add up to.
func pauses(t *testing.T, reg *prometheus.Registry) time.Duration {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "clstr_cluster_handoff_pause_seconds" {
			return time.Duration(math.Round(f.GetMetric()[0].GetHistogram().GetSampleSum()*1e6)) * time.Microsecond
		}
	}
	return 0
}

func TestPausesOfHandoffs(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := prommetrics.NewClusterMetrics(reg).(cluster.ShardMetrics)
	m.ShardOpened("claim", 0)
	m.ShardOpened("handoff", 4*time.Millisecond)
	m.ShardOpened("handoff", 2*time.Second)
	want(t, reg, []sample{{"shards_opened_total", "claim", 1}, {"shards_opened_total", "handoff", 2}, {"handoff_pause_seconds", "", 2}})
	if sum := pauses(t, reg); sum != 2004*time.Millisecond {
		t.Errorf("the pauses add up to %v, want 2.004 s", sum)
	}
}

// TestCostsOfHandoffs: a node that has handed over tells what that has cost, also
// where it has cost nothing.
func TestCostsOfHandoffs(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := prommetrics.NewClusterMetrics(reg).(cluster.ShardMetrics)
	want(t, reg, []sample{{"handoff_calls_total", "lost", -1}})
	m.ShardDrained(cluster.DrainCounts{})
	want(t, reg, []sample{{"handoff_calls_total", "parked", 0}, {"handoff_calls_total", "dropped", 0}, {"handoff_calls_total", "lost", 0}})
	m.ShardDrained(cluster.DrainCounts{Parked: 5, Dropped: 2, Lost: 1})
	m.ShardDrained(cluster.DrainCounts{Parked: 2})
	want(t, reg, []sample{{"handoff_calls_total", "parked", 7}, {"handoff_calls_total", "dropped", 2}, {"handoff_calls_total", "lost", 1}})
}
