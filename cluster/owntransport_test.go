package cluster_test

import (
	"context"
	"maps"
	"sync"
	"testing"

	"github.com/clstr-go/clstr/cluster"
)

// inProcess is a transport as an application may have one: it knows handlers, and gives
// them the context of the caller.
type inProcess struct {
	mu sync.Mutex
	h  map[uint32]cluster.ServerHandlerFunc
}

func (p *inProcess) Request(ctx context.Context, env cluster.Envelope) ([]byte, error) {
	p.mu.Lock()
	h := p.h[uint32(env.Shard)]
	p.mu.Unlock()
	return h(ctx, env)
}

func (p *inProcess) SubscribeShard(_ context.Context, shard uint32, h cluster.ServerHandlerFunc) (cluster.Subscription, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.h[shard] = h
	return p, nil
}

func (*inProcess) Unsubscribe() error { return nil }
func (*inProcess) Close() error       { return nil }

// TestAHandlersMessageIsNotPartOfItsCall: where one key asks another of its shard over
// such a transport, the node's Around sees both, as over the library's own.
func TestAHandlersMessageIsNotPartOfItsCall(t *testing.T) {
	var client *cluster.Client
	plain := func(ctx context.Context, env cluster.Envelope) ([]byte, error) {
		if env.Key == "a" {
			return client.RequestKey(ctx, "b", "x", nil)
		}
		return []byte("b's"), nil
	}
	perKey := cluster.NewKeyHandler(func(string) (cluster.ServerHandlerFunc, error) { return plain, nil })
	for name, h := range map[string]cluster.ServerHandlerFunc{"plain": plain, "per key": perKey} {
		tr := &inProcess{h: map[uint32]cluster.ServerHandlerFunc{}}
		var mu sync.Mutex
		seen := map[string]int{}
		stop := startNode(t, cluster.NodeOptions{Transport: tr, NumShards: 1, Shards: []uint32{0}, Handler: h, Around: func(ctx context.Context, in *cluster.Incoming, next func(context.Context) error) error {
			mu.Lock()
			seen[in.Key()]++
			mu.Unlock()
			return next(ctx)
		}})
		client = newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 1})
		if reply, err := client.RequestKey(t.Context(), "a", "x", nil); err != nil || string(reply) != "b's" {
			t.Errorf("%s: got %q, %v", name, reply, err)
		}
		stop()
		if !maps.Equal(seen, map[string]int{"a": 1, "b": 1}) {
			t.Errorf("%s: the Around has seen %v", name, seen)
		}
	}
}
