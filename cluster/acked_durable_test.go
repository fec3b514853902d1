package cluster_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/state/memstate"
)

// TestANotificationOfAnUnstoredTurn: a turn that has no deadline waits for 30 s at most until what it has found at its key is
// stored, so that its notification may leave.
func TestANotificationOfAnUnstoredTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := cluster.NewInMemoryTransport(cluster.MemoryTransportOpts{HandlerTimeout: -1}).WithLog(quiet)
		defer func() { _ = tr.Close() }()
		client := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 4})
		store := &lateStore{Store: memstate.New(), hold: make(chan struct{})}
		ended := make(chan error, 1)
		def := actor.Define("teller", func(string) *teller { return new(teller) }, actor.Durable(actor.Persistence{}),
			actor.OnNotify(func(e *teller, c *actor.Context, m add) error {
				if e.N += m.N; e.N == 2 {
					ended <- client.Kind("teller").Key("other").Notify(c, put{1})
				}
				return nil
			}), actor.OnNotify(func(*teller, *actor.Context, put) error { return nil }))
		end := startNode(t, cluster.NodeOptions{NodeID: "a", Transport: tr, NumShards: 4, Shards: []uint32{0, 1, 2, 3}, State: store,
			Kinds: map[string]cluster.ServerHandlerFunc{"teller": cluster.NewActorHandler(def.New)}})
		for range 2 {
			if err := client.Kind("teller").Key("k").Notify(context.Background(), add{1}); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		select {
		case err := <-ended:
			wantError(t, err, context.DeadlineExceeded, cluster.NotSent)
			if took := time.Since(began); took != cluster.DefaultRequestTimeout {
				t.Errorf("it took %v", took)
			}
		case <-time.After(time.Minute):
			t.Error("the turn still waits")
		}
		close(store.hold)
		end()
	})
}
