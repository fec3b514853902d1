package cluster_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
)

type hop struct{ Key, Left int }

// TestChainsDuringMoves: entities that ask entities, each of them on another
// shard, come to their end although shards move under them and few handlers may
// run at once.
func TestChainsDuringMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lc := newLiving(t)
		defer lc.close()
		client := lc.client()
		start := func(name string) *livingNode {
			def := actor.Define("chain", func(string) *struct{} { return new(struct{}) },
				actor.OnRequest(func(_ *struct{}, c *actor.Context, m hop) (total, error) {
					time.Sleep(time.Millisecond)
					if m.Left == 0 {
						return total{1}, nil
					}
					next := hop{m.Key + 1, m.Left - 1}
					r, err := cluster.NewRequest[hop, total](client.Key(fmt.Sprint("key-", next.Key))).Request(c, next)
					if err != nil {
						return total{}, err
					}
					return total{r.Total + 1}, nil
				}))
			return lc.startWith(cluster.NodeOptions{NodeID: name, Handler: cluster.NewActorHandler(def.New)})
		}
		nodes := []*livingNode{start("a"), start("b")}
		<-nodes[0].Ready()
		var longest, ended atomic.Int64
		stop := calling(32, func(caller, i int) bool {
			first := (caller*17 + i) % 50 // asks upwards: no two wait for each other
			began := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
			defer cancel()
			r, err := cluster.NewRequest[hop, total](client.Key(fmt.Sprint("key-", first))).Request(ctx, hop{first, 7})
			if err != nil || r.Total != 8 {
				t.Errorf("after %v: %+v, %v (%v)", time.Since(began), r, err, cluster.OutcomeOf(err))
				return false
			}
			ended.Add(1)
			longest.Store(max(longest.Load(), int64(time.Since(began))))
			time.Sleep(300 * time.Millisecond)
			return true
		})
		for round := range 3 {
			time.Sleep(12 * time.Second)
			c := start(fmt.Sprint("c", round))
			<-c.Ready()
			time.Sleep(12 * time.Second)
			lc.end(nodes[0])
			nodes = append(nodes[1:], c)
		}
		stop()
		lc.end(nodes...)
		if longest := time.Duration(longest.Load()); longest > 5*time.Second {
			t.Errorf("a chain took %v", longest)
		}
		t.Logf("%d chains, the longest took %v", ended.Load(), time.Duration(longest.Load()))
	})
}

// TestChainsOverNATS is the same on connections of their own.
func TestChainsOverNATS(t *testing.T) {
	var c *testkit.Cluster
	def := actor.Define("chain", func(string) *struct{} { return new(struct{}) },
		actor.OnRequest(func(_ *struct{}, ctx *actor.Context, m hop) (total, error) {
			if m.Left == 0 {
				return total{1}, nil
			}
			next := hop{m.Key + 1, m.Left - 1}
			r, err := cluster.NewRequest[hop, total](c.Client().Key(fmt.Sprint("key-", next.Key))).Request(ctx, next)
			if err != nil {
				return total{}, err
			}
			return total{r.Total + 1}, nil
		}))
	c = testkit.NewCluster(t, testkit.ClusterOptions{
		Live: true, Timing: noLeaseEnds, Nodes: 2, NumShards: livingShards, Transport: testkit.NATS, Log: slog.New(slog.DiscardHandler),
		Handler: cluster.NewActorHandler(def.New), StopTimeout: 30 * time.Second,
	})
	c.Settle()
	var ended atomic.Int64
	stop := calling(16, func(caller, i int) bool {
		first := (caller*17 + i) % 50
		ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
		defer cancel()
		if _, err := cluster.NewRequest[hop, total](c.Client().Key(fmt.Sprint("key-", first))).Request(ctx, hop{first, 7}); err != nil {
			t.Errorf("%v (%v)", err, cluster.OutcomeOf(err))
			return false
		}
		ended.Add(1)
		return true
	})
	c.StartNode("node-2")
	c.Settle()
	c.StopNode("node-0")
	c.Settle()
	stop()
	t.Logf("%d chains", ended.Load())
}
