package cluster_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/memstate"
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
