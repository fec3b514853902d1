package testkit

import (
	"context"
	"log/slog"
	"testing"

	"github.com/clstr-go/clstr/transport"
)

// TestAnEndLooksAtItsOwnShardOnly: a node that stops ends one subscription after the
// other, and what one of them touched of all shards would cost their square.
func TestAnEndLooksAtItsOwnShardOnly(t *testing.T) {
	const shards = 100
	n := newMemNetwork(transport.Limits{}, slog.New(slog.DiscardHandler))
	node, err := n.join("a")
	if err != nil {
		t.Fatal(err)
	}
	var subs []transport.Subscription
	for shard := range uint32(shards) {
		s, err := node.SubscribeShard(t.Context(), shard, func(context.Context, transport.Envelope) ([]byte, error) { return nil, nil })
		if err != nil {
			t.Fatal(err)
		}
		subs = append(subs, s)
	}
	before := map[uint32]**memSub{}
	for shard, list := range n.shards {
		before[shard] = &list[0]
	}
	if err := subs[7].Unsubscribe(); err != nil {
		t.Fatal(err)
	}
	if len(n.shards) != shards-1 || n.shards[7] != nil {
		t.Errorf("%d shards are served, want all but shard 7 of %d", len(n.shards), shards)
	}
	for shard, list := range n.shards {
		if &list[0] != before[shard] {
			t.Fatalf("the end of shard 7 has written the list of shard %d", shard)
		}
	}
	node.(*memNode).cut()
	if len(n.shards) != 0 {
		t.Errorf("a node that is cut off serves %d shards", len(n.shards))
	}
	if err := node.Close(); err != nil {
		t.Error(err)
	}
}
