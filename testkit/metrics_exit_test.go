package testkit_test

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/metrics"
	"github.com/clstr-go/clstr/state/memstate"
	"github.com/clstr-go/clstr/testkit"
)

// TestMetricsThatExit: a metric that ends its goroutine, as a failing fake in a test
// does, costs at most the call that it is told of. Later calls of all keys are answered,
// and the node ends as it does without.
func TestMetricsThatExit(t *testing.T) {
	for _, method := range []string{
		"HandlerDuration", "HandlerCompleted", "HandlersActive", "ShardsOwned", "Activated", "ActivationFailed", "Passivated",
		"ActiveKeys", "CallRefused", "NotificationFailed", "ShardOpened", "ShardDrained", "KeyReturned",
	} {
		t.Run(method, func(t *testing.T) {
			eachShards(t, func(t *testing.T, opts testkit.ClusterOptions) {
				var told atomic.Int32
				t.Cleanup(func() { // when the node has ended
					if told.Load() == 0 && (opts.Live || !strings.HasPrefix(method, "Shard")) {
						t.Error("it was never told")
					}
				})
				opts.Metrics = explosiveMetrics{boom: func(of string) {
					if of == method && told.Add(1) == 1 {
						runtime.Goexit()
					}
				}}
				opts.Handler = cluster.NewActorHandlerWithOpts(refusing().New, cluster.HandlerOptions{CacheSize: 1})
				client := testkit.NewCluster(t, opts).Client() // whose end fails the test if a call is still counted
				// A key that is busy is not evicted, so whether one comes back in a round is chance.
				for round := 0; round < 3 || method == "KeyReturned" && told.Load() == 0 && round < 300; round++ {
					for _, key := range []string{"k", "bad", "l"} {
						for _, msgType := range []string{"count", "unheard"} {
							apart(t, func(ctx context.Context) { _, _ = client.Key(key).RequestRaw(ctx, msgType, []byte("{}")) })
							apart(t, func(ctx context.Context) {
								_ = client.Key(key).NotifyRaw(ctx, msgType, []byte("{}"), cluster.WithoutAck())
							})
						}
					}
				}
				for _, key := range []string{"k", "l"} {
					apart(t, func(ctx context.Context) {
						if _, err := cluster.NewRequest[count, int](client.Key(key)).Request(ctx, count{}); err != nil {
							t.Errorf("key %s: %v", key, err)
						}
					})
				}
			})
		})
	}
}

// apart calls f on a goroutine of its own, which may be ended, and waits for it.
func apart(t *testing.T, f func(ctx context.Context)) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	over := make(chan struct{})
	go func() { // ends with f
		defer close(over)
		f(ctx)
	}()
	<-over
}

// refusing is an entity, but for the key "bad", which cannot be activated.
func refusing() *actor.Definition[fuse] {
	return actor.Define("fuse", func(string) *fuse { return &fuse{} }, actor.OnRequest((*fuse).count),
		actor.OnActivate(func(_ *fuse, c *actor.Context) error {
			if c.Key() == "bad" {
				return errors.New("no")
			}
			return nil
		}))
}

// stateMetrics are explosiveMetrics that measure commits too.
type stateMetrics struct{ explosiveMetrics }

func (m stateMetrics) ShardsWithoutState(string, int) { m.boom("ShardsWithoutState") }
func (m stateMetrics) CommitEnded(string, string)     { m.boom("CommitEnded") }

func (m stateMetrics) CommitStarted(string) metrics.Timer {
	m.boom("CommitStarted")
	return committing{m}
}

// committing is the timer of a commit.
type committing struct{ stateMetrics }

func (m committing) ObserveDuration() { m.boom("CommitTimer") }

// TestStateMetricsThatExit: metrics of commits that end their goroutine, or panic, at each change cost no change its
// answer, and the store nothing.
func TestStateMetricsThatExit(t *testing.T) {
	for _, method := range []string{"CommitStarted", "CommitTimer", "CommitEnded", "ShardsWithoutState"} {
		for how, fails := range map[string]func(){"exits": runtime.Goexit, "panics": func() { panic("metrics") }} {
			t.Run(method+" "+how, func(t *testing.T) {
				var told atomic.Int32
				c := testkit.NewCluster(t, testkit.ClusterOptions{
					Nodes: 1, NumShards: 2, State: memstate.New(), Log: slog.New(slog.DiscardHandler),
					Kinds: map[string]cluster.ServerHandlerFunc{"purse": cluster.NewActorHandler(actor.Define("purse", func(string) *purse { return new(purse) },
						actor.OnRequest((*purse).putIn), actor.Durable(actor.Persistence{})).New)},
					Metrics: stateMetrics{explosiveMetrics{cluster.NopClusterMetrics(), func(of string) {
						if of == method {
							told.Add(1)
							fails()
						}
					}}},
				})
				for i := range 6 {
					apart(t, func(ctx context.Context) {
						key := []string{"k", "l"}[i%2]
						if got, err := cluster.NewRequest[putIn, inside](c.Client().Kind("purse").Key(key)).Request(ctx, putIn{1}); err != nil || got.Coins != i/2+1 {
							t.Errorf("%d: %v, %v", i, got, err)
						}
					})
				}
				if told.Load() == 0 {
					t.Error("it was never told")
				}
			})
		}
	}
}
