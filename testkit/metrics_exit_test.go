package testkit_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
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
