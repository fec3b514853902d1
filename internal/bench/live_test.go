package bench

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/testkit"
)

// live makes a live cluster over NATS whose keys echo.
func live(b testing.TB, nodes int, shards uint32, t membership.Timing) *testkit.Cluster {
	return testkit.NewCluster(b, testkit.ClusterOptions{
		Live: true, Nodes: nodes, NumShards: shards, Transport: testkit.NATS, Timing: t, Log: slog.New(slog.DiscardHandler),
		Handler: cluster.NewKeyHandlerWithOpts(func(string) (cluster.ServerHandlerFunc, error) {
			return func(_ context.Context, env cluster.Envelope) ([]byte, error) { return env.Data, nil }, nil
		}, -1),
	})
}

// BenchmarkPlannedMove moves a shard with 1,000 active keys to another node and
// back, under the load of 16 callers: the shard's owner leaves, and comes again.
// pause is the longest that one call took around a move.
func BenchmarkPlannedMove(b *testing.B) {
	c := live(b, 2, 1, membership.Timing{})
	c.Settle()
	client := c.Client()
	for k := range keys {
		if _, err := client.RequestKey(context.Background(), "key-"+strconv.Itoa(k), "Echo", nil); err != nil {
			b.Fatal(err)
		}
	}
	owner := c.Owner("key-0")
	var longest atomic.Int64
	over := make(chan struct{})
	var load sync.WaitGroup
	for caller := range 16 {
		load.Go(func() { // ends at over
			for i := caller; ; i += 16 {
				select {
				case <-over:
					return
				default:
				}
				began := time.Now()
				if _, err := client.RequestKey(context.Background(), "key-"+strconv.Itoa(i%keys), "Echo", nil); err != nil {
					b.Error(err)
					return
				}
				for took := int64(time.Since(began)); ; {
					if most := longest.Load(); took <= most || longest.CompareAndSwap(most, took) {
						break
					}
				}
			}
		})
	}
	var pauses []float64
	for b.Loop() {
		for _, move := range []func(string){c.StopNode, c.StartNode} {
			longest.Store(0)
			move(owner)
			c.Settle()
			pauses = append(pauses, float64(longest.Load())/1e6)
		}
	}
	close(over)
	load.Wait()
	slices.Sort(pauses)
	b.ReportMetric(pauses[len(pauses)/2], "p50-pause-ms")
	b.ReportMetric(pauses[len(pauses)-1], "max-pause-ms")
}

// BenchmarkColdStart is a NATS server and three nodes that start at the same
// moment, until each serves its part of 1,024 shards.
func BenchmarkColdStart(b *testing.B) {
	timing := testkit.LiveTiming
	timing.Residency = time.Millisecond
	for b.Loop() {
		s := &scope{TB: b}
		live(s, 3, 1024, timing).Settle()
		b.StopTimer()
		s.end()
		b.StartTimer()
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms")
}

// scope is a part of a benchmark with an end of its own.
type scope struct {
	testing.TB
	ends []func()
}

func (s *scope) Cleanup(f func()) { s.ends = append(s.ends, f) }

func (s *scope) end() {
	for _, f := range slices.Backward(s.ends) {
		f()
	}
}
