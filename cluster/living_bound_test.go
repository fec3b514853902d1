package cluster_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
)

// drainedBy notes when the last shard was drained.
type drainedBy struct {
	drains
	last time.Time
}

func (d *drainedBy) ShardDrained(c cluster.DrainCounts) {
	d.drains.ShardDrained(c)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last = time.Now()
}

// TestMoveIsBounded: DrainTimeout bounds the whole move of a shard, also where its
// handlers, its stop hooks and what answers later do not look at their contexts.
func TestMoveIsBounded(t *testing.T) {
	for _, bound := range []time.Duration{time.Second, 15 * time.Second} {
		t.Run(fmt.Sprint(bound), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				lc := newLiving(t)
				defer lc.close()
				m := &drainedBy{drains: drains{ClusterMetrics: cluster.NopClusterMetrics()}}
				release := make(chan struct{})
				a, b := lc.pair(func(node string) cluster.NodeOptions {
					opts := cluster.NodeOptions{DrainTimeout: bound, Handler: entity(node,
						actor.OnRequest(func(*struct{}, *actor.Context, ignore) (done, error) {
							<-release
							return done{node}, nil
						}),
						actor.OnRequestLater(func(*struct{}, *actor.Context, owe, actor.Answer[done]) error { return nil }),
						actor.OnPassivate(func(*struct{}, *actor.Context) error {
							if node == "a" {
								<-release
							}
							return nil
						}))}
					if node == "a" {
						opts.Metrics = m
					}
					return opts
				})
				client := lc.client()
				keys := keysOf(3, "a", "a", "b")
				go func() { _, _ = cluster.NewRequest[ignore, done](client.Key(keys[0])).Request(t.Context(), ignore{}) }() // ends with the test
				go func() { _, _ = cluster.NewRequest[owe, done](client.Key(keys[1])).Request(t.Context(), owe{}) }()       // ends with the move
				lc.whereis(keys[2])
				synctest.Wait()
				began := time.Now()
				a.stop()
				for _, key := range keys {
					if by := lc.whereis(key); by != "b" {
						t.Errorf("%s is answered by %s", key, by)
					}
				}
				m.mu.Lock()
				took := m.last.Sub(began)
				m.mu.Unlock()
				if served := time.Since(began); took > bound || served > bound+time.Second {
					t.Errorf("the last shard was drained after %v, its keys answer after %v", took, served)
				}
				close(release)
				<-a.ended
				lc.end(b)
			})
		})
	}
}
