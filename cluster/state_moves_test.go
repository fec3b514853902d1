package cluster_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/memstate"
	"github.com/clstr-go/clstr/transport/memtransport"
)

// TestAMoveWaitsForChanges: what is being stored as a shard is handed over, or as its node ends, is
// stored before the next owner opens the shard, also where no call waits for it.
func TestAMoveWaitsForChanges(t *testing.T) {
	for name, moves := range map[string]bool{"another node joins": true, "the node ends": false} {
		for _, c := range stateCases() {
			if c.name == "a list" && moves {
				continue
			}
			t.Run(c.name+", "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { changesUnderWay(t, c, moves) })
			})
		}
	}
}

func changesUnderWay(t *testing.T, c stateCase, moves bool) {
	tr, client := memoryOf(t)
	store := &switched{Store: memstate.New(), hold: make(chan struct{})}
	stored := make(chan error, stateShards)
	var a *cluster.Node
	opts := c.options(tr, store)
	opts.Log = quiet
	opts.Handler = func(_ context.Context, env cluster.Envelope) ([]byte, error) {
		change := state.Change{Kind: "n", Key: "k", Record: &state.Record{Number: 1, State: []byte("{}")}}
		cluster.StateOf(a).Commit(uint32(env.Shard), change, func(_ state.Rev, err error) { stored <- err })
		return nil, nil // and does not wait
	}
	a = cluster.NewNode(opts)
	stop, err := a.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for shard := range uint32(stateShards) {
		if _, err := client.Shard(shard).RequestRaw(t.Context(), "store", nil); err != nil {
			t.Fatal(err)
		}
	}
	ended := make(chan error, 1)
	var b func()
	if moves {
		time.AfterFunc(8*time.Second, func() { close(store.hold) })
		opts.NodeID, opts.Handler = "b", echoData
		b = startNode(t, opts) // which is ready when it has its part
	} else {
		time.AfterFunc(5*time.Second, func() { close(store.hold) })
	}
	ended <- stop()
	if len(stored) < stateShards {
		t.Errorf("the node has ended, and %d of %d changes were answered", len(stored), stateShards)
	}
	for range stateShards {
		if err := <-stored; err != nil {
			t.Errorf("a change that was under way as its shard moved: %v", err)
		}
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if b != nil {
		b()
	}
	_ = tr.Close()
}

// TestEndWhileTheStoreIsAway: a node whose changes cannot be stored ends all the same, within the
// times that bound its end, and says what was not stored. Its callers are told.
func TestEndWhileTheStoreIsAway(t *testing.T) {
	for _, c := range stateCases() {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tr := memtransport.New(memtransport.Options{HandlerTimeout: 10 * time.Second}).WithLog(quiet)
				client := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: stateShards})
				store := &switched{Store: memstate.New()}
				opts := c.options(tr, store)
				opts.Log, opts.Kinds, opts.StopTimeout = quiet, (&durables{}).handlers(), 10*time.Second
				node := cluster.NewNode(opts)
				stop, err := node.Start(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				counter := cluster.NewRequest[add, total](client.Kind("counter").Key("k"))
				if _, err := counter.Request(t.Context(), add{1}); err != nil {
					t.Fatal(err)
				}
				store.turn(true)
				told := make(chan error, 1)
				go func() {
					_, err := counter.Request(t.Context(), add{1})
					told <- err
				}()
				time.Sleep(time.Second)
				began := time.Now()
				err = stop()
				if took := time.Since(began); took > 22*time.Second {
					t.Errorf("it took %v to end: %v", took, err)
				}
				if err == nil || !strings.Contains(err.Error(), "1 changes of shard") {
					t.Errorf("it ends with %v", err)
				}
				if err := <-told; err == nil || cluster.OutcomeOf(err) != cluster.MaybeRan {
					t.Errorf("the caller is told %v (%v)", err, cluster.OutcomeOf(err))
				}
				_ = tr.Close()
			})
		})
	}
}
