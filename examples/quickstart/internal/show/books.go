// Package show is what the quickstart needs beside its nodes: callers that send
// requests, books of what became of each, and a NATS server.
package show

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/clstr-go/clstr/cluster"
)

// What callers send.
const (
	keys     = 1000
	callers  = 64
	patience = 10 * time.Second // of a caller: longer than it takes to notice a death
)

// Books are what callers send, and what they were told of it. They are also the nodes' metrics.
type Books struct {
	cluster.ClusterMetrics
	ask    func(ctx context.Context, key string, request int) (node string, err error)
	stored func(ctx context.Context, key string) (requests []int, err error)

	mu    sync.Mutex
	sent  int
	ended map[int]error // by request: nil if it was acknowledged
	seen  seen
}

// seen is what there was to see since the last stage.
type seen struct {
	took   []time.Duration
	failed int
	moved  int           // shards
	pause  time.Duration // the longest for which one of them was not served
}

// New makes books for requests that ask sends: each adds to a key, and returns the
// node that has answered. stored returns the requests that a key's stored state has.
func New(ask func(ctx context.Context, key string, request int) (node string, err error),
	stored func(ctx context.Context, key string) (requests []int, err error)) *Books {
	return &Books{ClusterMetrics: cluster.NopClusterMetrics(), ask: ask, stored: stored, ended: map[int]error{}}
}

var _ cluster.ShardMetrics = (*Books)(nil)

// ShardDrained implements cluster.ShardMetrics.
func (b *Books) ShardDrained(cluster.DrainCounts) {}

// ShardOpened implements cluster.ShardMetrics: it hears of shards that nodes take
// over.
func (b *Books) ShardOpened(_ string, pause time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seen.moved++
	b.seen.pause = max(b.seen.pause, pause)
}

func keyName(key int) string { return fmt.Sprint("user-", key) }

// request sends one, and returns the node that has answered.
func (b *Books) request(ctx context.Context, key int) (node string) {
	b.mu.Lock()
	b.sent++
	id := b.sent
	b.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	began := time.Now()
	node, err := b.ask(ctx, keyName(key), id)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended[id] = err
	b.seen.took = append(b.seen.took, time.Since(began))
	if err != nil {
		b.seen.failed++
		return ""
	}
	return node
}

// burst sends requests to key after key from all callers, and returns where the keys live. Each caller waits for
// its reply before it sends the next.
func (b *Books) burst(ctx context.Context, requests int) (hosted map[string]int) {
	homes := make([]string, requests)
	var all sync.WaitGroup
	for c := range callers {
		all.Go(func() {
			for i := c; i < requests; i += callers {
				homes[i] = b.request(ctx, i%keys)
			}
		})
	}
	all.Wait()
	hosted = map[string]int{}
	for _, node := range homes[requests-keys:] {
		hosted[node]++
	}
	return hosted
}

// goOn sends two requests a millisecond, whether or not others wait. stop waits
// for the last of them.
func (b *Books) goOn(ctx context.Context) (stop func()) {
	done := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		tick := time.NewTicker(time.Millisecond / 2)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-tick.C:
				all.Go(func() { b.request(ctx, i%keys) })
			case <-done:
				return
			}
		}
	})
	return sync.OnceFunc(func() { close(done); all.Wait() })
}

// forget begins a stage.
func (b *Books) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seen = seen{}
}

// title stands above what stage prints, within 80 columns.
var title = fmt.Sprintf("%33s%28s%11s%7s\n", "keys on node", "latency, ms", "shards", "pause") +
	fmt.Sprintf("%-13s %4d %4d %4d %4d %6s %6s %5s %6s %5s %5s %6s\n", "", 1, 2, 3, 4, "calls", "failed", "p50", "p99", "max", "moved", "ms")

// stage asks each key where it lives, and prints what has happened since the stage
// before.
func (b *Books) stage(ctx context.Context, out io.Writer, name string) (failed int) {
	hosted := b.burst(ctx, keys)
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.seen
	b.seen = seen{}
	slices.Sort(s.took)
	ms := func(d time.Duration) float64 { return d.Seconds() * 1000 }
	at := func(percent int) float64 { return ms(s.took[(len(s.took)-1)*percent/100]) }
	fmt.Fprintf(out, "%-13s %4d %4d %4d %4d %6d %6d %5.1f %6.1f %5.0f %5d %6.1f\n", name,
		hosted["node-1"], hosted["node-2"], hosted["node-3"], hosted["node-4"],
		len(s.took), s.failed, at(50), at(99), at(100), s.moved, ms(s.pause))
	return s.failed
}

// sums compares what callers were told with what is stored, and fails if an
// acknowledged request was lost, if one ran twice, or if one ran that should not have.
func (b *Books) sums(ctx context.Context, out io.Writer) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	runs := map[int]int{} // by request: how often it ran
	for key := range keys {
		requests, err := b.stored(ctx, keyName(key))
		if err != nil {
			return fmt.Errorf("what is stored of %s: %w", keyName(key), err)
		}
		for _, id := range requests {
			runs[id]++
		}
	}
	acknowledged, failed, had := 0, map[cluster.Outcome]int{}, map[cluster.Outcome]int{}
	for id, err := range b.ended {
		runs, o := runs[id], cluster.OutcomeOf(err)
		if err == nil {
			acknowledged++
		} else {
			failed[o]++
			had[o] += runs
		}
		if runs > 1 || err == nil && runs != 1 || err != nil && o.NeverRan() && runs != 0 {
			return fmt.Errorf("request %d is stored %d times, and its caller was told: %v", id, runs, err)
		}
	}
	fmt.Fprintf(out, "%d requests were acknowledged: the stored states have each of them once\n", acknowledged)
	for o, n := range failed {
		fmt.Fprintf(out, "%d failed: the callers were told %q, and %d of them are stored\n", n, o.String(), had[o])
	}
	return nil
}
