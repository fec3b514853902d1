package cluster_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/sharding"
)

// behind runs a test with handlers as they are, and behind a middleware.
func behind(t *testing.T, test func(t *testing.T, mw middleware)) {
	t.Run("direct", func(t *testing.T) {
		test(t, func(h cluster.ServerHandlerFunc) cluster.ServerHandlerFunc { return h })
	})
	t.Run("behind a middleware", func(t *testing.T) {
		test(t, func(h cluster.ServerHandlerFunc) cluster.ServerHandlerFunc {
			return func(ctx context.Context, env cluster.Envelope) ([]byte, error) { return h(ctx, env) }
		})
	})
}

// calling has callers that call again and again, each in turns i from 0 on, until
// call returns false or stop, which waits for the last.
func calling(callers int, call func(caller, i int) (goOn bool)) (stop func()) {
	over := make(chan struct{})
	var all sync.WaitGroup
	for caller := range callers {
		all.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-over:
					return
				default:
				}
				if !call(caller, i) {
					return
				}
			}
		})
	}
	return func() { close(over); all.Wait() }
}

// load sends requests and notifications to 100 keys until stop, which requires
// that none has failed and that each has run once.
func (lc *livingCluster) load(t *testing.T, callers int) (stop func()) {
	client := lc.client()
	var acked, longest atomic.Int64
	before := lc.turns.Load()
	end := calling(callers, func(caller, i int) bool {
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		key := client.Key(fmt.Sprint("key-", (caller*31+i)%100))
		var err error
		if i%3 == 0 {
			err = key.Notify(ctx, put{1})
		} else {
			_, err = cluster.NewRequest[add, total](key).Request(ctx, add{1})
		}
		if err != nil {
			t.Errorf("caller %d: %v (%v)", caller, err, cluster.OutcomeOf(err))
			return false
		}
		acked.Add(1)
		longest.Store(max(longest.Load(), int64(time.Since(began))))
		time.Sleep(20 * time.Millisecond)
		return true
	})
	return func() {
		t.Helper()
		end()
		time.Sleep(time.Second) // notifications that were accepted last
		if ran := lc.turns.Load() - before; ran != acked.Load() || ran < 100 {
			t.Errorf("%d turns for %d acknowledged messages", ran, acked.Load())
		}
		t.Logf("%d messages, the longest wait %v", acked.Load(), time.Duration(longest.Load()))
	}
}

// lost counts what a node says of notifications that have not run.
type lost struct {
	cluster.ClusterMetrics
	failed, refused atomic.Int64
}

func (m *lost) NotificationFailed(string) { m.failed.Add(1) }
func (m *lost) CallRefused(string)        { m.refused.Add(1) }
func (m *lost) Activated(string)          {}
func (m *lost) ActivationFailed(string)   {}
func (m *lost) Passivated(string)         {}
func (m *lost) MailboxRefused(string)     {}
func (m *lost) ActiveKeys(string, int)    {}
func (m *lost) KeyReturned(string)        {}

// TestUnackedDuringMoves: a notification without an acknowledgement may be lost
// while its shard moves. Then somebody has counted it, and no other.
func TestUnackedDuringMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lc := newLiving(t)
		defer lc.close()
		m := &lost{ClusterMetrics: cluster.NopClusterMetrics()}
		var ran atomic.Int64
		start := func(name string) *livingNode {
			def := actor.Define("sink", func(string) *struct{} { return new(struct{}) },
				actor.OnNotify(func(*struct{}, *actor.Context, put) error {
					time.Sleep(time.Millisecond)
					ran.Add(1)
					return nil
				}))
			return lc.startWith(cluster.NodeOptions{NodeID: name, Handler: cluster.NewActorHandler(def.New), Metrics: m})
		}
		nodes := []*livingNode{start("a"), start("b")}
		<-nodes[0].Ready()
		client := lc.client()
		var sent, refused atomic.Int64
		stop := calling(8, func(caller, i int) bool {
			sent.Add(1)
			if err := client.Key(fmt.Sprint("key-", (caller*31+i)%100)).Notify(t.Context(), put{1}, cluster.WithoutAck()); err != nil {
				if !cluster.OutcomeOf(err).NeverRan() {
					t.Errorf("%v (%v)", err, cluster.OutcomeOf(err))
				}
				refused.Add(1)
			}
			time.Sleep(10 * time.Millisecond)
			return true
		})
		for round := range 3 {
			c := start(fmt.Sprint("c", round))
			<-c.Ready()
			time.Sleep(10 * time.Second)
			lc.end(nodes[0])
			nodes = append(nodes[1:], c)
		}
		stop()
		time.Sleep(time.Second)
		lc.end(nodes...)
		if sent.Load() != ran.Load()+refused.Load()+m.failed.Load() {
			t.Errorf("%d sent, %d ran, %d refused to the sender, %d failed later: %d are unaccounted for",
				sent.Load(), ran.Load(), refused.Load(), m.failed.Load(), sent.Load()-ran.Load()-refused.Load()-m.failed.Load())
		}
		t.Logf("%d sent, %d ran, %d refused, %d failed later", sent.Load(), ran.Load(), refused.Load(), m.failed.Load())
	})
}

// TestAcknowledgedBeforeAMove: notifications that wait in a mailbox when their
// shard moves run where they were accepted, once each, and in order.
func TestAcknowledgedBeforeAMove(t *testing.T) {
	behind(t, func(t *testing.T, mw middleware) {
		synctest.Test(t, func(t *testing.T) {
			lc := newLiving(t)
			defer lc.close()
			var mu sync.Mutex
			got := map[string][]int{}
			start := func(name string) *livingNode {
				def := actor.Define("log", func(key string) *string { return &key },
					actor.OnNotify(func(key *string, _ *actor.Context, m put) error {
						time.Sleep(20 * time.Millisecond)
						mu.Lock()
						defer mu.Unlock()
						got[*key] = append(got[*key], m.N)
						return nil
					}))
				return lc.startWith(cluster.NodeOptions{NodeID: name, Handler: mw(cluster.NewActorHandler(def.New))})
			}
			a := start("a")
			<-a.Ready()
			client := lc.client()
			const keys, notes = 50, 40
			note := func(from int) {
				for i := from; i < from+notes; i++ {
					for k := range keys {
						if err := client.Key(fmt.Sprint("key-", k)).Notify(t.Context(), put{i}); err != nil {
							t.Error(err)
						}
					}
				}
			}
			note(0) // takes no time: all wait
			b := start("b")
			a.stop()
			note(notes)
			if err := <-a.ended; err != nil {
				t.Error(err)
			}
			time.Sleep(10 * time.Second)
			lc.end(b)
			for k := range keys {
				key := fmt.Sprint("key-", k)
				for i := range 2 * notes {
					if len(got[key]) != 2*notes || got[key][i] != i {
						t.Errorf("%s got %v", key, got[key])
						break
					}
				}
			}
		})
	})
}

// TestWeightsOfLivingNodes: a node has its part, also when others come and go.
func TestWeightsOfLivingNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lc := newLiving(t)
		defer lc.close()
		weights := map[string]float64{"a": 1, "b": 3, "c": 0.5}
		start := func(name string) *livingNode {
			return lc.startWith(cluster.NodeOptions{
				NodeID: name, Weight: weights[name],
				Handler: func(context.Context, cluster.Envelope) ([]byte, error) { return nil, nil },
			})
		}
		check := func(names ...string) {
			t.Helper()
			time.Sleep(30 * time.Second)
			want, err := sharding.NewAssignment(sharding.Layout{NumShards: livingShards}, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range names {
				want.Join(name, weights[name])
			}
			for shard := range uint32(livingShards) {
				info, err := lc.client().Shard(shard).GetNodeInfo(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if owner, _ := want.Owner(shard); info.NodeID != owner {
					t.Errorf("shard %d is with %s, should be with %s", shard, info.NodeID, owner)
				}
			}
		}
		a, b := start("a"), start("b")
		check("a", "b")
		c := start("c")
		check("a", "b", "c")
		lc.end(b)
		check("a", "c")
		lc.end(a, c)
	})
}
