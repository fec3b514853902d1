package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/membership/memstore"
	"github.com/clstr-go/clstr/membership/natsstore"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/memstate"
	"github.com/clstr-go/clstr/state/natsstate"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport/memtransport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// durables is a live cluster whose entities are durable counters, and what callers have heard of
// them.
type durables struct {
	t         *testing.T
	transport func(id string) cluster.Transport
	members   func(id string) membership.Store
	state     func(id string) state.Store
	client    *cluster.Client
	list      bool // in place of members: all nodes have the same

	mu     sync.Mutex
	acked  map[string]int
	unsure map[string]int
	best   map[string]int // the highest count that was answered
	failed int            // surely without effect
}

type counted struct{ Count int }

func (d *durables) handlers() map[string]cluster.ServerHandlerFunc {
	def := actor.Define("counter", func(string) *counted { return &counted{} },
		actor.Durable(actor.Persistence{}), actor.PassivateAfter(500*time.Millisecond),
		actor.OnRequest(func(c *counted, _ *actor.Context, m add) (total, error) {
			c.Count += m.N
			return total{c.Count}, nil
		}))
	return map[string]cluster.ServerHandlerFunc{"counter": cluster.NewActorHandler(def.New)}
}

func (d *durables) start(id string) *livingNode {
	opts := cluster.NodeOptions{NodeID: id, Transport: d.transport(id), NumShards: livingShards, State: d.state(id), Kinds: d.handlers(), Log: quiet}
	if d.list {
		opts.Shards = cluster.ShardsForNode("x", []string{"x"}, livingShards, "")
	} else {
		opts.Membership, opts.Timing = d.members(id), membership.FastTiming
	}
	node := cluster.NewNode(opts)
	ctx, cancel := context.WithCancel(context.Background())
	n := &livingNode{name: id, stop: cancel, ended: make(chan error, 1), Node: node}
	go func() { n.ended <- node.Run(ctx) }() // endNodes waits
	return n
}

// add adds n to a key, and notes what is said of that.
func (d *durables) add(key string, n int, deadline time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	sum, err := cluster.NewRequest[add, total](d.client.Kind("counter").Key(key)).Request(ctx, add{n})
	d.mu.Lock()
	defer d.mu.Unlock()
	switch o := cluster.OutcomeOf(err); {
	case err == nil:
		d.acked[key] += n
		d.best[key] = max(d.best[key], sum.Total)
	case o == cluster.MaybeRan:
		d.unsure[key] += n
	default: // RanAndFailed too: nothing was kept
		d.failed++
	}
	return err
}

// load calls 40 keys, with pauses, until stop. Then it checks each key's count.
func (d *durables) load(callers int, pause time.Duration) (stop func()) {
	d.acked, d.unsure, d.best = map[string]int{}, map[string]int{}, map[string]int{}
	var calls atomic.Int64
	end := calling(callers, func(caller, i int) bool {
		calls.Add(1)
		_ = d.add(fmt.Sprint("key-", (caller*31+i)%40), 1, 20*time.Second)
		<-time.After(pause)
		return true
	})
	return func() {
		d.t.Helper()
		end()
		unsure := 0
		for key, acked := range d.acked {
			if err := d.add(key, 0, 20*time.Second); err != nil {
				d.t.Errorf("reading %s: %v", key, err)
				continue
			}
			unsure += d.unsure[key]
			if got := d.best[key]; got < acked || got > acked+d.unsure[key] {
				d.t.Errorf("%s counts %d, and %d were acknowledged, %d may have been added", key, got, acked, d.unsure[key])
			}
		}
		d.t.Logf("%d calls, %d had no effect, %d may have had one", calls.Load(), d.failed, unsure)
		if len(d.acked) < 40 || d.failed+unsure > int(calls.Load())/2 {
			d.t.Error("it shows too little")
		}
	}
}

// durablesInMemory is one over a store of state that delays, and loses answers now and then.
func durablesInMemory(t *testing.T) (d *durables, cut func(id string, is bool), end func()) {
	tr := memtransport.New(memtransport.Options{}).WithLog(quiet)
	members := lasting{memstore.New()}
	store := testkit.NewStateFaults(1, testkit.StateRule{
		LoseAnswer: 0.01, Late: 0.005, Delay: 1, DelayMin: time.Millisecond, DelayMax: 20 * time.Millisecond,
	}).Store(memstate.New())
	var mu sync.Mutex
	cuts := map[string]*cuttable{}
	d = &durables{
		t:         t,
		transport: func(string) cluster.Transport { return tr },
		members: func(id string) membership.Store {
			mu.Lock()
			defer mu.Unlock()
			cuts[id] = &cuttable{Store: members}
			return cuts[id]
		},
		state:  func(string) state.Store { return store },
		client: newClient(t, cluster.ClientOptions{Transport: tr, NumShards: livingShards}),
	}
	return d, func(id string, is bool) { cuts[id].cut.Store(is) }, func() { _ = tr.Close() }
}

// cuttable is a store of members that a node can be cut off from.
type cuttable struct {
	membership.Store
	cut atomic.Bool
}

func (c *cuttable) Write(ctx context.Context, key string, rev uint64, value []byte) (uint64, error) {
	if c.cut.Load() {
		return 0, errAway
	}
	return c.Store.Write(ctx, key, rev, value)
}

func (c *cuttable) Read(ctx context.Context, key string) (membership.Entry, error) {
	if c.cut.Load() {
		return membership.Entry{}, errAway
	}
	return c.Store.Read(ctx, key)
}

func (c *cuttable) Snapshot(ctx context.Context, prefix string) ([]membership.Entry, uint64, error) {
	if c.cut.Load() {
		return nil, 0, errAway
	}
	return c.Store.Snapshot(ctx, prefix)
}

// durablesOverNATS is one whose nodes have connections of their own.
func durablesOverNATS(t *testing.T) *durables {
	url := testkit.StartNATSServer(t, &server.Options{JetStream: true, StoreDir: t.TempDir()}).URL()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	connect := func(string) cluster.Transport {
		tr, err := natstransport.Open(t.Context(), natstransport.Options{URL: url, Log: quiet})
		must(err)
		t.Cleanup(func() { _ = tr.Close() })
		return tr
	}
	return &durables{
		t:         t,
		transport: connect,
		members: func(id string) membership.Store {
			s, err := natsstore.Open(t.Context(), natsstore.Options{URL: url, Name: id, Memory: true, Log: quiet})
			must(err)
			t.Cleanup(func() { _ = s.Close() })
			return s
		},
		state: func(id string) state.Store {
			s, err := natsstate.Open(t.Context(), natsstate.Options{URL: url, Name: id, Memory: true, Log: quiet})
			must(err)
			t.Cleanup(func() { _ = s.Close() })
			return s
		},
		client: newClient(t, cluster.ClientOptions{Transport: connect(""), NumShards: livingShards}),
	}
}

// TestDurableRollingRestart: three nodes are replaced one after the other under load, and no
// acknowledged increment is lost. Keys are passivated and come back meanwhile.
func TestDurableRollingRestart(t *testing.T) {
	roll := func(d *durables, callers int, pause, settle time.Duration) {
		var nodes []*livingNode
		for _, id := range []string{"a", "b", "c"} {
			nodes = append(nodes, d.start(id))
			<-nodes[len(nodes)-1].Ready()
		}
		stop := d.load(callers, pause)
		for i, id := range []string{"a2", "b2", "c2"} {
			<-time.After(settle)
			next := d.start(id)
			<-next.Ready()
			endNodes(d.t, nodes[i])
			nodes = append(nodes, next)
		}
		<-time.After(settle)
		stop()
		endNodes(d.t, nodes[3:]...)
	}
	t.Run("memory", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d, _, end := durablesInMemory(t)
			roll(d, 8, 10*time.Millisecond, 20*time.Second)
			end()
		})
	})
	t.Run("NATS", func(t *testing.T) { roll(durablesOverNATS(t), 8, time.Millisecond, 100*time.Millisecond) })
}

// TestDurableListIsRestarted: the next process of a node with a list starts before the one before it
// ends, under load. The last to open a shard serves it, and no acknowledged increment is lost.
func TestDurableListIsRestarted(t *testing.T) {
	restart := func(d *durables, callers int, pause, settle time.Duration) {
		d.list = true
		node := d.start("a")
		<-node.Ready()
		stop := d.load(callers, pause)
		for _, id := range []string{"b", "c"} {
			<-time.After(settle)
			next := d.start(id)
			<-next.Ready()
			<-time.After(settle)
			endNodes(d.t, node)
			node = next
		}
		<-time.After(settle)
		stop()
		if h := node.Health(); !h.Serving || h.ShardsOwned != livingShards {
			d.t.Errorf("%+v", h)
		}
		endNodes(d.t, node)
	}
	t.Run("memory", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d, _, end := durablesInMemory(t)
			restart(d, 8, 10*time.Millisecond, 5*time.Second)
			end()
		})
	})
	t.Run("NATS", func(t *testing.T) { restart(durablesOverNATS(t), 8, time.Millisecond, 300*time.Millisecond) })
}

// TestDurableOutlivesTheOwner: a node that the others take for dead goes on, and its changes are
// refused from the moment at which the next owner opens the shard. No acknowledged increment
// is lost, and none of the deposed owner's is answered that is not stored.
func TestDurableOutlivesTheOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, cut, end := durablesInMemory(t)
		a, b := d.start("a"), d.start("b")
		<-a.Ready()
		<-b.Ready()
		stop := d.load(8, 10*time.Millisecond)
		for _, id := range []string{"a", "b", "a"} {
			time.Sleep(20 * time.Second)
			cut(id, true)
			time.Sleep(20 * time.Second)
			cut(id, false)
		}
		time.Sleep(20 * time.Second)
		stop()
		if h := a.Health(); !h.Serving || h.ShardsWithoutState > 0 {
			t.Errorf("%+v", h)
		}
		endNodes(t, a, b)
		end()
	})
}

// TestDurableStoreIsAway for a while, under load: callers see delays, and refusals that say that
// nothing was kept; nothing that was acknowledged is lost.
func TestDurableStoreIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _, end := durablesInMemory(t)
		under := &switched{Store: d.state("")}
		d.state = func(string) state.Store { return under }
		a, b := d.start("a"), d.start("b")
		<-a.Ready()
		<-b.Ready()
		stop := d.load(8, 10*time.Millisecond)
		for _, away := range []time.Duration{time.Second, 8 * time.Second, 100 * time.Millisecond} {
			time.Sleep(15 * time.Second)
			under.turn(true)
			time.Sleep(away)
			if err := d.add("fresh", 1, time.Second); err == nil {
				t.Error("a change is acknowledged while the store is away")
			} else if !strings.Contains(err.Error(), "store") && !errors.Is(err, context.DeadlineExceeded) && cluster.OutcomeOf(err) != cluster.MaybeRan {
				t.Errorf("while the store is away: %v", err)
			}
			under.turn(false)
		}
		time.Sleep(15 * time.Second)
		d.mu.Lock()
		delete(d.acked, "fresh")
		d.mu.Unlock()
		stop()
		endNodes(t, a, b)
		end()
	})
}
