// Metrics that end their goroutine, in the window of notifications

package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
)

// quitting are metrics that end the goroutine at some of the notifications.
type quitting struct {
	*ends
	each atomic.Int32
	n    atomic.Int32
}

// NotifyEnded implements [cluster.CallMetrics].
func (m *quitting) NotifyEnded(_, _ string, _ cluster.Outcome) {
	if each := m.each.Load(); each > 0 && m.n.Add(1)%each == 1 {
		runtime.Goexit()
	}
}

// TestAsyncWhereMetricsEndTheGoroutine: metrics that end the connection's reader at one notification cost no other
// notification its receipt, and the window no room. One reply accepts many.
func TestAsyncWhereMetricsEndTheGoroutine(t *testing.T) {
	c := testkit.NewCluster(t, testkit.ClusterOptions{Transport: testkit.NATS, Nodes: 1, Handler: cluster.NewKeyHandler(
		func(string) (cluster.ServerHandlerFunc, error) {
			return func(context.Context, cluster.Envelope) ([]byte, error) { return nil, nil }, nil
		})})
	m := &quitting{ends: &ends{ClusterMetrics: cluster.NopClusterMetrics()}}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	clients := []*cluster.Client{c.NewClient(cluster.ClientOptions{Metrics: m, NotifyWindow: 40}), c.NewClient(cluster.ClientOptions{Metrics: m, NotifyWindow: 40})}
	m.each.Store(17)
	var receipts []*cluster.Receipt
	for i := range 400 { // ten times the window
		receipts = append(receipts, clients[i%2].Key(fmt.Sprint("k", i%7)).NotifyRawAsync(ctx, "Add", nil))
	}
	for i, r := range receipts {
		if err := r.Wait(ctx); err != nil {
			t.Fatalf("%d: %v", i, err)
		}
	}
	// Here they end the sender's own goroutine, and then that of the key's line.
	m.each.Store(2)
	for i := range 4 {
		over := make(chan struct{})
		go func() { // ends at once
			defer close(over)
			clients[0].Key("alone").NotifyRawAsync(ctx, "Add", nil, cluster.WithoutAck())
		}()
		<-over
		if err := clients[0].Key("alone").NotifyRawAsync(ctx, "Add", nil).Wait(ctx); err != nil {
			t.Fatalf("behind the sender that has ended, %d: %v", i, err)
		}
	}
}

// TestAsyncWhereInterceptEndsTheGoroutine: an Intercept that ends the goroutine at one notification costs no other its receipt, and
// its own says that it may have run.
func TestAsyncWhereInterceptEndsTheGoroutine(t *testing.T) {
	c := testkit.NewCluster(t, testkit.ClusterOptions{Nodes: 1, Handler: cluster.NewKeyHandler(
		func(string) (cluster.ServerHandlerFunc, error) {
			return func(context.Context, cluster.Envelope) ([]byte, error) { return nil, nil }, nil
		})})
	client := c.NewClient(cluster.ClientOptions{NotifyWindow: 4, Intercept: func(ctx context.Context, out *cluster.Outgoing, next func(context.Context) error) error {
		if out.Type() == "Exit" {
			runtime.Goexit()
		}
		return next(ctx)
	}})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for i := range 10 { // more than the window
		over := make(chan struct{})
		go func() { // ends at once: the sender's own goroutine
			defer close(over)
			client.Key("alone").NotifyRawAsync(ctx, "Exit", nil, cluster.WithoutAck())
		}()
		<-over
		exits, adds := client.Key("k").NotifyRawAsync(ctx, "Exit", nil), client.Key("k").NotifyRawAsync(ctx, "Add", nil)
		if err := exits.Wait(ctx); !errors.Is(err, cluster.ErrPanicked) || cluster.OutcomeOf(err) != cluster.MaybeRan {
			t.Fatalf("%d: the one that ends its goroutine: %v", i, err)
		}
		if err := adds.Wait(ctx); err != nil {
			t.Fatalf("%d: the one behind it: %v", i, err)
		}
	}
}
