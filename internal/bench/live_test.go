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
	"github.com/clstr-go/clstr/membership/natsstore"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport/natstransport"
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

// BenchmarkSpread is 4,096 shards of one node until two more, which start at the same moment, have taken
// their parts: some 2,730 moves. The records are in the bucket of one server, or of three.
func BenchmarkSpread(b *testing.B) {
	const moves = 2730
	for _, role := range []string{"one", "three"} {
		url := start(b, role, "")
		for _, most := range []int{1, 8, 16, 64} {
			b.Run(role+"/moves="+strconv.Itoa(most), func(b *testing.B) {
				for b.Loop() {
					b.StopTimer()
					prefix := "b" + strconv.FormatInt(time.Now().UnixNano(), 36)
					member(b, url, prefix, "a", most)
					b.StartTimer()
					var both sync.WaitGroup
					both.Go(func() { member(b, url, prefix, "b", most) })
					both.Go(func() { member(b, url, prefix, "c", most) })
					both.Wait()
				}
				b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms")
				b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/moves, "us/move")
			})
		}
	}
}

// member starts a node with 4,096 live shards, and returns when it serves its part.
func member(b *testing.B, url, prefix, id string, most int) {
	quiet, timing := slog.New(slog.DiscardHandler), membership.DefaultTiming
	timing.Settle, timing.Residency, timing.MaxMoves = 100*time.Millisecond, time.Millisecond, most
	tr, err := natstransport.Open(b.Context(), natstransport.Options{URL: url, Prefix: prefix, Log: quiet})
	if err != nil {
		b.Error(err)
		return
	}
	b.Cleanup(func() { _ = tr.Close() })
	store, err := natsstore.Open(b.Context(), natsstore.Options{URL: url, Prefix: prefix, Log: quiet})
	if err != nil {
		b.Error(err)
		return
	}
	b.Cleanup(func() { _ = store.Close() })
	node := cluster.NewNode(cluster.NodeOptions{
		NodeID: id, Transport: tr, Membership: store, NumShards: 4096, Timing: timing, Log: quiet,
		Handler: func(_ context.Context, env cluster.Envelope) ([]byte, error) { return env.Data, nil },
	})
	stop, err := node.Start(b.Context())
	if err != nil {
		b.Error(err)
		return
	}
	b.Cleanup(func() { _ = stop() })
}
