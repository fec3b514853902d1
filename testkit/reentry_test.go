package testkit_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
)

// callingLog is a log that sends what it is told.
type callingLog struct{ calls func(from string) }

func (l callingLog) Enabled(context.Context, slog.Level) bool { l.calls("Enabled"); return true }
func (l callingLog) Handle(_ context.Context, r slog.Record) error {
	l.calls("Handle " + r.Message)
	return nil
}
func (l callingLog) WithAttrs([]slog.Attr) slog.Handler { return l }
func (l callingLog) WithGroup(string) slog.Handler      { return l }

// TestCodeThatCallsBack: metrics and a log that send requests and notifications hang in no lock of ours. What they were told of goes
// on when they return.
func TestCodeThatCallsBack(t *testing.T) {
	eachShards(t, func(t *testing.T, opts testkit.ClusterOptions) {
		var client atomic.Pointer[cluster.Client]
		var mu sync.Mutex
		told := map[string]int{}
		back := func(from string) {
			by := client.Load()
			mu.Lock()
			told[from]++
			first := told[from] == 1
			mu.Unlock()
			if by == nil || !first { // its own calls are told of, too
				return
			}
			for _, key := range []string{"k", "other", "bad"} {
				ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
				_, _ = cluster.NewRequest[count, int](by.Key(key)).Request(ctx, count{})
				_ = by.Key(key).Notify(ctx, light{})
				_ = by.Key(key).Notify(ctx, light{}, cluster.WithoutAck())
				_ = by.Key(key).NotifyAsync(ctx, light{})
				cancel()
			}
		}
		opts.Metrics = explosiveMetrics{boom: back}
		opts.Log = slog.New(callingLog{back})
		opts.Handler = cluster.NewActorHandlerWithOpts(refusing().New, cluster.HandlerOptions{CacheSize: 1})
		cl := testkit.NewCluster(t, opts)
		client.Store(cl.Client())
		for i := range 10 {
			for _, key := range []string{"k", "bad", fmt.Sprint("l", i)} {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				_, err := cluster.NewRequest[count, int](cl.Client().Key(key)).Request(ctx, count{})
				if (err != nil) != (key == "bad") || errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%s: %v", key, err)
				}
				cancel()
			}
		}
		mu.Lock()
		defer mu.Unlock()
		for _, from := range []string{"Enabled", "Handle activation failed", "HandlersActive", "KeyReturned", "NotificationFailed", "Passivated"} {
			if told[from] == 0 {
				t.Errorf("never told: %s", from)
			}
		}
	})
}
