package cluster_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/internal/record"
)

// costs adds up what the records say that a node's hand-overs have cost.
func (lc *livingCluster) costs(node string) (c cluster.DrainCounts) {
	lc.t.Helper()
	entries, _, err := lc.store.Snapshot(lc.t.Context(), record.ShardPrefix)
	if err != nil {
		lc.t.Fatal(err)
	}
	for _, e := range entries {
		rec, err := record.DecodeShard(e)
		if err != nil {
			lc.t.Fatal(err)
		}
		if rec.From.Name == node && rec.Why == record.HandedOver {
			c = plus(c, rec.Cost)
		}
	}
	return c
}

func plus(a, b cluster.DrainCounts) cluster.DrainCounts {
	return cluster.DrainCounts{Parked: a.Parked + b.Parked, Dropped: a.Dropped + b.Dropped, Lost: a.Lost + b.Lost}
}

var _ cluster.ShardMetrics = (*drains)(nil)

// drains are metrics that hear what hand-overs cost.
type drains struct {
	cluster.ClusterMetrics
	mu     sync.Mutex
	shards int
	sum    cluster.DrainCounts
}

func (d *drains) ShardOpened(string, time.Duration) {}

func (d *drains) ShardDrained(c cluster.DrainCounts) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shards++
	d.sum = plus(d.sum, c)
}

// TestCostOfAMove: the record of a shard that was handed over, and the metrics of
// who did, say how many calls were refused for it to move, and how many were cut
// off because they had not ended in time.
func TestCostOfAMove(t *testing.T) {
	const waiting, noted, unacked = 5, 3, 2
	for _, test := range []struct {
		name    string
		takes   time.Duration
		heeds   bool
		want    cluster.DrainCounts
		outcome cluster.Outcome // of the call that runs
	}{
		{"in time", 500 * time.Millisecond, false, cluster.DrainCounts{Parked: waiting}, cluster.Succeeded},
		{"too late", 5 * time.Second, true, cluster.DrainCounts{Parked: waiting, Lost: 1}, cluster.MaybeRan},
		{"too late, and goes on", 10 * time.Second, false, cluster.DrainCounts{Parked: waiting, Dropped: unacked, Lost: 1 + noted}, cluster.Succeeded},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				lc := newLiving(t)
				defer lc.close()
				key := keysOf(1, "a", "a", "b")[0]
				m := &drains{ClusterMetrics: cluster.NopClusterMetrics()}
				a, b := lc.pair(func(node string) cluster.NodeOptions {
					opts := cluster.NodeOptions{DrainTimeout: time.Second, Handler: entity(node,
						actor.OnNotify(func(*struct{}, *actor.Context, put) error { return nil }),
						actor.OnRequest(func(_ *struct{}, c *actor.Context, _ heed) (done, error) {
							var end <-chan struct{}
							if test.heeds {
								end = c.Done()
							}
							select {
							case <-end:
							case <-time.After(test.takes):
							}
							return done{node}, nil
						}))}
					if node == "a" {
						opts.Metrics = m
					}
					return opts
				})
				m.shards, m.sum = 0, cluster.DrainCounts{} // as they came together is not the question
				to := lc.client().Key(key)
				var calls sync.WaitGroup
				calls.Go(func() {
					if _, err := cluster.NewRequest[heed, done](to).Request(t.Context(), heed{}); cluster.OutcomeOf(err) != test.outcome {
						t.Errorf("the call that runs ends with %v (%v)", err, cluster.OutcomeOf(err))
					}
				})
				synctest.Wait()
				for range waiting {
					calls.Go(func() {
						if by := lc.whereis(key); by != "b" {
							t.Errorf("who waits is answered by %q", by)
						}
					})
				}
				synctest.Wait()
				for i := range noted + unacked {
					var opts []cluster.EnvelopeOption
					if i >= noted {
						opts = append(opts, cluster.WithoutAck())
					}
					if err := to.Notify(t.Context(), put{i}, opts...); err != nil {
						t.Error(err)
					}
				}
				a.stop()
				if err := <-a.ended; (err != nil) != (test.want.Lost > 0 && !test.heeds) {
					t.Errorf("the node ends with %v", err)
				}
				if got := lc.costs("a"); got != test.want {
					t.Errorf("the records say %+v, want %+v", got, test.want)
				}
				if moved := len(cluster.ShardsForNode("a", []string{"a", "b"}, livingShards, "")); m.sum != test.want || m.shards != moved {
					t.Errorf("the metrics have %+v of %d shards, want %+v of %d", m.sum, m.shards, test.want, moved)
				}
				calls.Wait()
				lc.end(b)
			})
		})
	}
}
