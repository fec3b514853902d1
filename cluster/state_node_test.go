package cluster_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/membership/memstore"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/memstate"
	"github.com/clstr-go/clstr/transport/memtransport"
)

const stateShards = 8

// lasting is a store of members that outlives the process: its clusters have an identity.
type lasting struct{ membership.Store }

// stateCase is a node by how it gets its shards.
type stateCase struct {
	name string
	opts func(*cluster.NodeOptions)
}

func stateCases() []stateCase {
	living := func(s membership.Store) func(*cluster.NodeOptions) {
		return func(o *cluster.NodeOptions) { o.Membership = s }
	}
	return []stateCase{
		{"a list", func(o *cluster.NodeOptions) { o.Shards = cluster.ShardsForNode("a", []string{"a"}, stateShards, "") }},
		{"live", living(lasting{memstore.New()})},
		{"live in one process", living(memstore.New())},
	}
}

func (c stateCase) options(tr cluster.Transport, s state.Store) cluster.NodeOptions {
	o := cluster.NodeOptions{NodeID: "a", Transport: tr, NumShards: stateShards, State: s}
	c.opts(&o)
	return o
}

func memoryOf(t testing.TB) (*memtransport.Transport, *cluster.Client) {
	tr := memtransport.New(memtransport.Options{}).WithLog(quiet)
	return tr, newClient(t, cluster.ClientOptions{Transport: tr, NumShards: stateShards})
}

// TestStateOutlivesTheNode: what a node has stored the next one finds. The state is open while the
// node serves, and not after it has ended.
func TestStateOutlivesTheNode(t *testing.T) {
	for _, c := range stateCases() {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tr, client := memoryOf(t)
				store := memstate.New()
				keys := nKeys(3 * stateShards)
				for round := range 3 {
					n := startStoring(c.options(tr, store))
					<-n.Ready()
					for _, key := range keys {
						if got := counts(t, client, key, "add"); got != round+1 {
							t.Errorf("%s counts %d in round %d", key, got, round)
						}
					}
					if h := n.Health(); !h.Serving || h.ShardsWithoutState != 0 || h.StateError != "" {
						t.Errorf("%+v", h)
					}
					endNodes(t, n)
					done := make(chan error, 1)
					cluster.StateOf(n.Node).Commit(0, state.Change{}, func(_ state.Rev, err error) { done <- err })
					if err := <-done; err == nil {
						t.Error("the state of a node that has ended is open")
					}
				}
				_ = tr.Close()
			})
		})
	}
}

// TestStoreIsAway as a node starts, and later: the node serves all the same, and says so. What
// needs the state fails or waits, until the store is back.
func TestStoreIsAway(t *testing.T) {
	for _, c := range stateCases() {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tr, client := memoryOf(t)
				store := &switched{Store: memstate.New(), down: true}
				n := startStoring(c.options(tr, store))
				<-n.Ready()
				time.Sleep(10 * time.Second)
				if h := n.Health(); !h.Serving || h.ShardsOwned != stateShards || h.ShardsWithoutState != stateShards || !strings.Contains(h.StateError, errAway.Error()) {
					t.Errorf("while the store is away: %+v", h)
				}
				if b, err := n.Health().MarshalJSON(); err != nil || !strings.Contains(string(b), `"shards_without_state":8,"state_error":`) {
					t.Errorf("%s, %v", b, err)
				}
				if _, err := client.RequestKey(t.Context(), "k", "add", nil); err == nil || !strings.Contains(err.Error(), errAway.Error()) {
					t.Errorf("a handler that needs the state: %v", err)
				}
				store.turn(false)
				time.Sleep(10 * time.Second)
				if h := n.Health(); !h.Serving || h.ShardsWithoutState != 0 || h.StateError != "" {
					t.Errorf("when it is back: %+v", h)
				}
				if got := counts(t, client, "k", "add"); got != 1 {
					t.Errorf("counts %d", got)
				}
				hold := make(chan struct{})
				store.mu.Lock()
				store.hold = hold
				store.mu.Unlock()
				second := make(chan int)
				go func() { second <- counts(t, client, "k", "add") }()
				synctest.Wait()
				store.turn(true)
				close(hold)
				time.Sleep(3 * time.Second)
				if h := n.Health(); !h.Serving || h.ShardsWithoutState != 1 || h.StateError == "" {
					t.Errorf("while a change is in doubt: %+v", h)
				}
				store.turn(false)
				if got := <-second; got != 2 {
					t.Errorf("counts %d, want 2", got)
				}
				endNodes(t, n)
				_ = tr.Close()
			})
		})
	}
}

// TestForeignState: a store of another cluster, or of another layout, refuses the node's start. The
// error names both, and the store's own nodes go on.
func TestForeignState(t *testing.T) {
	lists := func(o *cluster.NodeOptions) {
		o.Shards = cluster.ShardsForNode(o.NodeID, []string{o.NodeID}, o.NumShards, "")
	}
	lives := func(s membership.Store) func(*cluster.NodeOptions) {
		return func(o *cluster.NodeOptions) { o.Membership = s }
	}
	live := lasting{memstore.New()}
	for name, c := range map[string]struct {
		owner, other func(*cluster.NodeOptions)
		numShards    uint32 // of the other
		want         error
		names        []string
	}{
		"another cluster":                  {lives(live), lives(lasting{memstore.New()}), stateShards, state.ErrOtherCluster, nil},
		"a list in a cluster's store":      {lives(live), lists, stateShards, state.ErrOtherCluster, []string{"no membership"}},
		"another number of shards":         {lists, lists, 4, state.ErrOtherLayout, []string{"8 shards", "4 shards"}},
		"the same, of a process's cluster": {lives(memstore.New()), lives(memstore.New()), 4, state.ErrOtherLayout, []string{"8 shards", "4 shards"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tr, client := memoryOf(t)
				store := memstate.New()
				opts := cluster.NodeOptions{NodeID: "a", Transport: tr, NumShards: stateShards, State: store}
				c.owner(&opts)
				a := startStoring(opts)
				<-a.Ready()
				keys := nKeys(32)
				for _, key := range keys {
					counts(t, client, key, "add")
				}
				elsewhere, _ := memoryOf(t)
				opts = cluster.NodeOptions{NodeID: "b", Transport: elsewhere, NumShards: c.numShards, State: unhurried{store}, Log: quiet, Handler: echoData}
				c.other(&opts)
				node := cluster.NewNode(opts)
				_, err := node.Start(t.Context())
				if !errors.Is(err, c.want) {
					t.Fatalf("it starts with %v", err)
				}
				if n := strings.Count(err.Error(), "State:"); n != 1 {
					t.Errorf("it is told %d times: %v", n, err)
				}
				for _, part := range c.names {
					if !strings.Contains(err.Error(), part) {
						t.Errorf("%v does not name %s", err, part)
					}
				}
				if h := node.Health(); h.Why != cluster.NodeEnded || h.Error == "" {
					t.Errorf("%+v", h)
				}
				for _, key := range keys {
					if got := counts(t, client, key, "add"); got != 2 {
						t.Errorf("%s of the store's own node counts %d", key, got)
					}
				}
				endNodes(t, a)
				_ = tr.Close()
				_ = elsewhere.Close()
			})
		})
	}
}

// unhurried is a store that takes a while to open a shard.
type unhurried struct{ state.Store }

func (s unhurried) Open(ctx context.Context, shard uint32, o state.Owner, held state.Token) (state.Token, error) {
	time.Sleep(time.Second) // virtual
	return s.Store.Open(ctx, shard, o, held)
}

func TestStateOptions(t *testing.T) {
	tr, _ := memoryOf(t)
	defer tr.Close()
	for want, o := range map[string]cluster.NodeOptions{
		"State needs NumShards": {Shards: []uint32{1}, State: memstate.New()},
		"State is a nil":        {NumShards: 4, Shards: []uint32{1}, State: (*memstate.Store)(nil)},
	} {
		o.NodeID, o.Transport, o.Handler = "a", tr, echoData
		if err := cluster.NewNode(o).Run(t.Context()); !errors.Is(err, cluster.ErrBadOption) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}
