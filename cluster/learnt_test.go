package cluster_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/membership/memstore"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/memtransport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// shardCount asks a node of a shard how many shards its cluster has, as its record says.
func shardCount(t *testing.T, store membership.Store) (uint32, string) {
	t.Helper()
	e, err := store.Read(context.Background(), record.ConfigKey)
	if err != nil || e.Rev == 0 {
		t.Fatalf("the cluster's record: revision %d, %v", e.Rev, err)
	}
	cfg, err := record.Decode[record.Config](e.Value)
	if err != nil {
		t.Fatal(err)
	}
	return cfg.NumShards, cfg.Seed
}

// TestNodesAndClientsLearnTheLayout: only the first node says how many shards there
// are, or nobody does. A client may be there before any node: its calls wait.
func TestNodesAndClientsLearnTheLayout(t *testing.T) {
	connect := map[string]func(t *testing.T) cluster.Transport{
		"memory": func(t *testing.T) cluster.Transport { return memtransport.New(memtransport.Options{}).WithLog(quiet) },
		"NATS": func(t *testing.T) cluster.Transport {
			tr, err := natstransport.Open(t.Context(), natstransport.Options{URL: testkit.StartNATS(t), Log: quiet})
			if err != nil {
				t.Fatal(err)
			}
			return tr
		},
	}
	for name, connect := range connect {
		for _, first := range []struct {
			given, want uint32
			seed        string
		}{{0, cluster.DefaultNumShards, ""}, {48, 48, ""}, {48, 48, "prod"}} {
			t.Run(name, func(t *testing.T) {
				tr, store := connect(t), memstore.New()
				t.Cleanup(func() { _ = tr.Close() })
				client := newClient(t, cluster.ClientOptions{Transport: tr})
				const calls = 20
				var all sync.WaitGroup
				for range calls { // before there is a node
					all.Go(func() {
						if reply, err := client.RequestKey(context.Background(), "k", "Echo", []byte("hello")); err != nil || string(reply) != "hello" {
							t.Errorf("the call that waited: %q, %v", reply, err)
						}
					})
				}
				startNode(t, cluster.NodeOptions{NodeID: "a", Transport: tr, Membership: store, Handler: echoData, NumShards: first.given, Seed: first.seed})
				startNode(t, cluster.NodeOptions{NodeID: "b", Transport: tr, Membership: store, Handler: echoData})
				all.Wait()
				if n, seed := shardCount(t, store); n != first.want || seed != first.seed {
					t.Errorf("the cluster has %d shards and the seed %q, want %d and %q", n, seed, first.want, first.seed)
				}
				for shard := range first.want {
					if _, err := client.Shard(shard).GetNodeInfo(t.Context()); err != nil {
						t.Errorf("shard %d: %v", shard, err)
					}
				}
				_, err := client.RequestShard(t.Context(), first.want, "Echo", nil)
				wantError(t, err, cluster.ErrShardOutOfRange, cluster.NotSent)
				wrong := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 31})
				_, err = wrong.RequestKey(t.Context(), "k", "Echo", nil)
				wantError(t, err, cluster.ErrLayoutMismatch, cluster.NotStarted)
			})
		}
	}
}

// TestFoundersAtOnce: of two nodes that start at one moment one was told how many shards
// there are. Whichever writes the record, both serve one cluster, or the one that was told
// is refused by name.
func TestFoundersAtOnce(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			tr, store := memtransport.New(memtransport.Options{}).WithLog(quiet), memstore.New()
			defer tr.Close()
			told := cluster.NewNode(cluster.NodeOptions{NodeID: "told", Transport: tr, Membership: store, Handler: echoData, Log: quiet, NumShards: 48})
			learns := cluster.NewNode(cluster.NodeOptions{NodeID: "learns", Transport: tr, Membership: store, Handler: echoData, Log: quiet})
			ctx, cancel := context.WithCancel(t.Context())
			var ended [2]error
			var all sync.WaitGroup
			all.Go(func() { ended[0] = told.Run(ctx) })
			all.Go(func() { ended[1] = learns.Run(ctx) })
			<-learns.Ready()
			time.Sleep(time.Minute)
			n, _ := shardCount(t, store)
			cancel()
			all.Wait()
			refused := errors.Is(ended[0], cluster.ErrLayoutMismatch) && strings.Contains(ended[0].Error(), "NumShards 48, the cluster has 256")
			if ended[1] != nil || (n == 48) != (ended[0] == nil) || (n == 256) != refused {
				t.Errorf("of %d shards: the node that was told ends with %v, the other with %v", n, ended[0], ended[1])
			}
		})
	}
}

// TestClientLearnsAnew: a cluster that was founded anew, with other shards, serves the
// clients of the one before. Each call that it refuses is sent again.
func TestClientLearnsAnew(t *testing.T) {
	tr := memtransport.New(memtransport.Options{}).WithLog(quiet)
	defer tr.Close()
	client := newClient(t, cluster.ClientOptions{Transport: tr})
	scoped := client.Key("k")
	for _, shards := range []uint32{8, 16, 3} {
		var ran atomic.Int32
		stop := startNode(t, cluster.NodeOptions{NodeID: "a", Transport: tr, Membership: memstore.New(), NumShards: shards,
			Handler: func(context.Context, cluster.Envelope) ([]byte, error) { ran.Add(1); return nil, nil }})
		for range 3 {
			if _, err := scoped.RequestRaw(t.Context(), "Get", nil); err != nil {
				t.Errorf("of %d shards: %v", shards, err)
			}
		}
		if ran.Load() != 3 {
			t.Errorf("of %d shards: %d calls ran", shards, ran.Load())
		}
		stop()
	}
}

// TestNobodyTellsTheLayout: a call ends at its deadline, was never sent, and says why.
func TestNobodyTellsTheLayout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := memtransport.New(memtransport.Options{}).WithLog(quiet)
		client := newClient(t, cluster.ClientOptions{Transport: tr})
		began := time.Now()
		_, err := client.RequestKey(context.Background(), "k", "Get", nil)
		wantError(t, err, cluster.ErrTransportNoShardSubscriber, cluster.NotSent)
		if took := time.Since(began); took != cluster.DefaultRequestTimeout {
			t.Errorf("it took %v", took)
		}
		if want := "no node of a live cluster"; !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "shard 0") {
			t.Errorf("%q does not say %q, or names a shard", err, want)
		}
		began = time.Now()
		_, err = client.RequestKey(context.Background(), "", "Get", nil)
		wantError(t, err, cluster.ErrKeyRequired, cluster.NotSent)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		err = client.NotifyKey(ctx, "k", "Get", nil)
		wantError(t, err, context.Canceled, cluster.NotSent)
		_ = tr.Close()
		_, err = client.RequestKey(context.Background(), "k", "Get", nil)
		wantError(t, err, cluster.ErrTransportClosed, cluster.NotSent)
		if took := time.Since(began); took != 0 {
			t.Errorf("what cannot be sent at all took %v", took)
		}
	})
}

// lyingNodes tell of what cannot be.
type lyingNodes struct {
	cluster.ClientTransport
	asked atomic.Int32
}

func (l *lyingNodes) Layout(context.Context) (uint32, string, error) {
	if l.asked.Add(1) > 3 {
		return 1, "", nil
	}
	return 1 << 30, "", nil
}

// TestLayoutThatIsNone is asked for again, by one call for all.
func TestLayoutThatIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := &fakeTransport{reply: func(context.Context, int, cluster.Envelope) ([]byte, error) { return nil, nil }}
		nodes := &lyingNodes{ClientTransport: fake}
		client := newClient(t, cluster.ClientOptions{Transport: nodes})
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if err := client.NotifyKey(t.Context(), "k", "Put", nil); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := nodes.asked.Load(); n != 4 {
			t.Errorf("the nodes were asked %d times", n)
		}
	})
}

// TestClientsThatCannotLearn are refused when they are made.
func TestClientsThatCannotLearn(t *testing.T) {
	tr := memtransport.New(memtransport.Options{})
	defer tr.Close()
	for want, opts := range map[string]cluster.ClientOptions{
		"NumShards is required":      {Transport: struct{ transport.ClientTransport }{tr}},
		`Seed "s" without NumShards`: {Transport: tr, Seed: "s"},
	} {
		if _, err := cluster.NewClient(opts); !errors.Is(err, cluster.ErrBadOption) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}
