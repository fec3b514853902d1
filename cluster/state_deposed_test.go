package cluster_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership/memstore"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/memstate"
	"github.com/clstr-go/clstr/state/natsstate"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport/memtransport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// TestTwoNodesOfOneList: the node that opens a shard last serves it, on both transports and in both
// stores. The earlier one learns it from its next write or load, and serves the shard no more.
// Nothing that was acknowledged is lost.
func TestTwoNodesOfOneList(t *testing.T) {
	server := testkit.StartNATSServer(t, &server.Options{JetStream: true, StoreDir: t.TempDir()})
	for _, over := range []string{"memory", "NATS", "one's own"} {
		for _, in := range []string{"memory", "NATS"} {
			if over == "one's own" && in == "NATS" {
				continue
			}
			t.Run("over "+over+", state in "+in, func(t *testing.T) {
				var tr cluster.Transport = memtransport.New(memtransport.Options{}).WithLog(quiet)
				var store state.Store = memstate.New()
				var err error
				if over == "NATS" {
					if tr, err = natstransport.Open(t.Context(), natstransport.Options{URL: server.URL(), Prefix: "over" + over + in, Log: quiet}); err != nil {
						t.Fatal(err)
					}
				}
				defer tr.Close()
				if in == "NATS" {
					s, err := natsstate.Open(t.Context(), natsstate.Options{URL: server.URL(), Prefix: "in" + over + in, Memory: true, Log: quiet})
					if err != nil {
						t.Fatal(err)
					}
					defer s.Close()
					store = s
				}
				client := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: stateShards})
				var serves cluster.ServerTransport = tr
				if over == "one's own" { // which knows handlers only
					serves = struct{ cluster.ServerTransport }{tr}
				}
				opts := cluster.NodeOptions{NodeID: "a", Transport: serves, NumShards: stateShards, State: store,
					Shards: cluster.ShardsForNode("x", []string{"x"}, stateShards, "")}
				refused := &lost{ClusterMetrics: cluster.NopClusterMetrics()}
				opts.Metrics = refused
				a := startStoring(opts)
				<-a.Ready()
				keys := nKeys(32)
				for _, key := range keys {
					counts(t, client, key, "add")
				}
				opts.NodeID, opts.Metrics = "b", nil
				b := startStoring(opts)
				<-b.Ready()
				eventually(t, "the end of the earlier node's part", func() bool {
					for _, key := range keys { // it may still be asked, and refuses: nothing was kept
						_, _ = client.RequestKey(t.Context(), key, "add", nil)
					}
					h := a.Health()
					return h.ShardsOwned == 0 && h.Why == cluster.NodeDeposed && !h.Serving
				})
				eventually(t, "the end of the earlier node's subscriptions", func() bool {
					before := refused.refused.Load()
					for _, key := range keys {
						counts(t, client, key, "read")
					}
					return refused.refused.Load() == before
				})
				if h := b.Health(); !h.Serving || h.ShardsOwned != stateShards {
					t.Errorf("the later node: %+v", h)
				}
				for _, key := range keys {
					before := counts(t, client, key, "read")
					if got := counts(t, client, key, "add"); before < 1 || got != before+1 {
						t.Errorf("%s counts %d after %d", key, got, before)
					}
				}
				endNodes(t, a)
				for _, key := range keys {
					counts(t, client, key, "add")
				}
				endNodes(t, b)
			})
		}
	}
}

// TestReadsOfTwoNodesOfOneList: a node that another one with the same list has replaced may answer reads from
// the memory of its entities, until its next write. The store refuses that, and the node answers no more.
func TestReadsOfTwoNodesOfOneList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstate.New()
		start := func(id string) (*livingNode, func(cents int) (int, error)) {
			tr, client := memoryOf(t)
			t.Cleanup(func() { _ = tr.Close() })
			n := startStoring(cluster.NodeOptions{NodeID: id, Transport: tr, NumShards: stateShards, State: store, Kinds: cashboxes(),
				Shards: cluster.ShardsForNode("x", []string{"x"}, stateShards, "")})
			<-n.Ready()
			return n, func(cents int) (int, error) {
				got, err := cluster.NewRequest[take, amount](client.Kind("till").Key("k")).Request(t.Context(), take{cents})
				if err != nil {
					return 0, err
				}
				return got.Cents, nil
			}
		}
		a, takeOfA := start("a")
		if n, err := takeOfA(5); n != 5 || err != nil {
			t.Fatal(n, err)
		}
		b, takeOfB := start("b")
		if n, err := takeOfB(10); n != 15 || err != nil {
			t.Errorf("the later node: %d, %v", n, err)
		}
		if n, err := takeOfA(0); n != 5 || err != nil {
			t.Errorf("a read of the earlier node: %d, %v; want what is in its memory", n, err)
		}
		if n, err := takeOfA(1); !errors.Is(err, cluster.ErrDeposed) || cluster.OutcomeOf(err) != cluster.RanAndFailed {
			t.Errorf("a write of the earlier node: %d, %v", n, err)
		}
		synctest.Wait()
		for range 3 {
			if n, err := takeOfA(0); err == nil {
				t.Errorf("after that the earlier node answers with %d", n)
			}
		}
		if n, err := takeOfB(0); n != 15 || err != nil {
			t.Errorf("in the end: %d, %v", n, err)
		}
		endNodes(t, a, b)
	})
}

// TestStateIsTakenByATool: a live node whose shard's state something else has opened starts nothing
// more, opens the state again while the records say that the shard is its own, and goes on from
// what is stored then.
func TestStateIsTakenByATool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, client := memoryOf(t)
		store, members := memstate.New(), memstore.New()
		n := startStoring(cluster.NodeOptions{NodeID: "a", Transport: tr, NumShards: stateShards, State: store, Membership: members})
		<-n.Ready()
		keys := nKeys(32)
		for round := range 3 {
			for _, key := range keys {
				if got := counts(t, client, key, "add"); got != round+1 {
					t.Errorf("%s counts %d in round %d", key, got, round)
				}
			}
			for shard := range uint32(stateShards) {
				if _, err := store.Open(t.Context(), shard, state.Owner{}, state.Token{}); err != nil {
					t.Fatal(err)
				}
			}
			for _, key := range keys { // the first of each shard is refused: nothing was kept
				_, _ = client.RequestKey(t.Context(), key, "read", nil)
			}
			time.Sleep(5 * time.Second)
			if h := n.Health(); !h.Serving || h.ShardsOwned != stateShards || h.ShardsWithoutState != 0 {
				t.Errorf("%+v", h)
			}
		}
		endNodes(t, n)
		_ = tr.Close()
	})
}

// TestDeposedByALaterEpoch: a live node whose shard is open in a later epoch of its cluster serves
// nothing of it, however long its records say otherwise, and tells callers to look elsewhere.
func TestDeposedByALaterEpoch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, client := memoryOf(t)
		store, members := memstate.New(), memstore.New()
		n := startStoring(cluster.NodeOptions{NodeID: "a", Transport: tr, NumShards: stateShards, State: store, Membership: lasting{members}})
		<-n.Ready()
		counts(t, client, "k", "add")
		e, err := members.Read(t.Context(), record.ConfigKey)
		if err != nil {
			t.Fatal(err)
		}
		cfg, err := record.Decode[record.Config](e.Value)
		if err != nil {
			t.Fatal(err)
		}
		for shard := range uint32(stateShards) {
			if _, err := store.Open(t.Context(), shard, state.Owner{Cluster: cfg.Cluster, Epoch: 1 << 40}, state.Token{}); err != nil {
				t.Fatal(err)
			}
		}
		for range 10 {
			ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
			_, err := client.RequestKey(ctx, "k", "add", nil)
			cancel()
			if err == nil || !errors.Is(err, cluster.ErrNotOwner) && !strings.Contains(err.Error(), "deposed") {
				t.Errorf("a deposed node's call: %v", err)
			}
		}
		es, _, err := store.Read(t.Context(), state.Token{}, state.Range{Shard: cluster.ShardFromString("k", stateShards, ""), Kind: "n", Key: "k"})
		if err != nil || len(es) != 1 || es[0].Record.Number != 1 {
			t.Errorf("%v, %v: want what was stored before", es, err)
		}
		endNodes(t, n)
		_ = tr.Close()
	})
}
