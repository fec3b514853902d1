package cluster_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/memtransport"
)

// onceFull refuses the first message of a type for want of room.
type onceFull struct {
	*memtransport.Transport
	refused atomic.Int32
}

func (t *onceFull) Request(ctx context.Context, env transport.Envelope) ([]byte, error) {
	if env.Type == "Inner" && t.refused.Add(1) == 1 {
		return nil, outcome.Overloaded(0, "for once")
	}
	return t.Transport.Request(ctx, env)
}

// TestNestedCallToTheOwnShardIsRetried: what is not the end of a hand-over passes,
// also where the caller is a handler of the very shard.
func TestNestedCallToTheOwnShardIsRetried(t *testing.T) {
	tr := &onceFull{Transport: memtransport.New(memtransport.Options{})}
	defer tr.Close()
	client, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: 1, RetryOn: []error{cluster.ErrOverloaded}})
	if err != nil {
		t.Fatal(err)
	}
	sub, err := tr.SubscribeShard(t.Context(), 0, func(ctx context.Context, env cluster.Envelope) ([]byte, error) {
		if env.Type == "Outer" {
			return client.RequestShard(ctx, 0, "Inner", nil)
		}
		return []byte("done"), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if reply, err := client.RequestShard(t.Context(), 0, "Outer", nil); err != nil || string(reply) != "done" {
		t.Errorf("%q, %v", reply, err)
	}
	if err := sub.Unsubscribe(); err != nil {
		t.Error(err)
	}
}
