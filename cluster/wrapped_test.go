package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/cluster"
)

// TestMiddleware: a handler that hosts actors can be wrapped as any func.
func TestMiddleware(t *testing.T) {
	var mu sync.Mutex
	var calls []string
	inner := cluster.NewActorHandler(accounts.New)
	logging := func(ctx context.Context, env cluster.Envelope) ([]byte, error) {
		reply, err := inner(ctx, env)
		mu.Lock()
		defer mu.Unlock()
		calls = append(calls, fmt.Sprint(env.Type, " ", err))
		return reply, err
	}
	client := serve(t, logging)
	req := cluster.NewRequest[deposit, balance](client.Key("acc-1"))
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			if _, err := req.Request(t.Context(), deposit{1}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	got, err := req.Request(t.Context(), deposit{1})
	if err != nil || got.Amount != 65 {
		t.Errorf("got %v, %v, want 65", got, err)
	}
	_, err = req.Request(t.Context(), deposit{-1})
	wantError(t, err, errBadAmount, cluster.RanAndFailed)
	if len(calls) != 66 || calls[65] != "deposit amount must be positive" {
		t.Errorf("the middleware saw %d calls, at last %q", len(calls), calls[len(calls)-1])
	}
}

// TestPanicsAreAnsweredAtOnce, and the key goes on with a fresh actor.
func TestPanicsAreAnsweredAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, wrap := range []func(cluster.ServerHandlerFunc) cluster.ServerHandlerFunc{
			func(h cluster.ServerHandlerFunc) cluster.ServerHandlerFunc { return h }, wrapped,
		} {
			made := 0
			tr := cluster.NewInMemoryTransport().WithLog(quiet)
			stop := startNode(t, cluster.NodeOptions{Transport: tr, Shards: []uint32{0}, Handler: wrap(cluster.NewKeyHandler(
				func(string) (cluster.ServerHandlerFunc, error) {
					made++
					return func(_ context.Context, env cluster.Envelope) ([]byte, error) {
						if env.Type == "Panic" {
							panic("boom")
						}
						return []byte(fmt.Sprint(made)), nil
					}, nil
				}))})
			client := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 1})
			start := time.Now()
			_, err := client.RequestKey(context.Background(), "k", "Panic", nil)
			if !errors.Is(err, cluster.ErrPanicked) || cluster.OutcomeOf(err).NeverRan() {
				t.Errorf("got %v (%v), want ErrPanicked", err, cluster.OutcomeOf(err))
			}
			reply, err := client.RequestKey(context.Background(), "k", "Get", nil)
			if err != nil || string(reply) != "2" {
				t.Errorf("afterwards: got %q, %v, want the second actor", reply, err)
			}
			if took := time.Since(start); took != 0 {
				t.Errorf("took %v", took)
			}
			stop()
			_ = tr.Close()
		}
	})
}

// TestOneHandlerOnSeveralNodes: each hosts its own keys.
func TestOneHandlerOnSeveralNodes(t *testing.T) {
	tr := cluster.CreateInMemoryTransport(t)
	h := cluster.NewActorHandler(accounts.New)
	ids := []string{"n0", "n1"}
	var stops []func()
	for _, id := range ids {
		stops = append(stops, startNode(t, cluster.NodeOptions{NodeID: id, Transport: tr, NumShards: 16, Shards: cluster.ShardsForNode(id, ids, 16, ""), Handler: h}))
	}
	client := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 16})
	sum := func(key string) (int64, error) {
		b, err := cluster.NewRequest[deposit, balance](client.Key(key)).Request(t.Context(), deposit{1})
		if err != nil {
			return 0, err
		}
		return b.Amount, nil
	}
	kept := 0
	for i := range 100 {
		if _, err := sum(fmt.Sprint("acc-", i)); err != nil {
			t.Fatal(err)
		}
	}
	stops[0]()
	for i := range 100 {
		n, err := sum(fmt.Sprint("acc-", i))
		switch {
		case err == nil && n == 2:
			kept++
		case !errors.Is(err, cluster.ErrTransportNoShardSubscriber):
			t.Errorf("acc-%d: got %d, %v", i, n, err)
		}
	}
	if kept == 0 || kept == 100 {
		t.Errorf("%d of 100 keys are left", kept)
	}
}
