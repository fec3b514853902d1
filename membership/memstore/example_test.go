package memstore_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/membership/memstore"
)

// Nodes of one process that share a store share the shards out among them.
func Example() {
	ctx, store := context.Background(), memstore.New()
	tr := cluster.NewInMemoryTransport()
	defer tr.Close()
	for _, id := range []string{"node-1", "node-2"} {
		stop, err := cluster.NewNode(cluster.NodeOptions{
			NodeID: id, Transport: tr, NumShards: 16, Membership: store,
			Handler: func(_ context.Context, env cluster.Envelope) ([]byte, error) {
				return fmt.Appendf(nil, "%s lives on %s", env.Key, id), nil
			},
			Log: slog.New(slog.DiscardHandler),
		}).Start(ctx)
		if err != nil {
			fmt.Println(err)
			return
		}
		defer stop()
	}
	client, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: 16})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, key := range []string{"user-1", "user-2", "user-3"} {
		reply, err := client.RequestKey(ctx, key, "Greet", nil)
		fmt.Println(string(reply), err)
	}
	// Output:
	// user-1 lives on node-1 <nil>
	// user-2 lives on node-1 <nil>
	// user-3 lives on node-2 <nil>
}

// Of two writers that have read the same version one wins. The other reads again,
// and decides anew.
func ExampleStore_Write() {
	ctx, store := context.Background(), memstore.New()
	key := "s.0.7" // shard 7
	for _, owner := range []string{"node-1", "node-2"} {
		rev, err := store.Write(ctx, key, 0, []byte(owner))
		fmt.Println(owner, rev, errors.Is(err, membership.ErrConflict))
	}
	now, err := store.Read(ctx, key)
	fmt.Printf("%s has it, %v\n", now.Value, err)
	rev, err := store.Write(ctx, key, now.Rev, []byte("node-2")) // had node-1 died, say
	fmt.Println("node-2", rev, err)
	// Output:
	// node-1 1 false
	// node-2 0 true
	// node-1 has it, <nil>
	// node-2 2 <nil>
}

// A watch tells what is written from now on. What was there before a snapshot
// shows, and up to which revision.
func ExampleStore_Watch() {
	ctx, store := context.Background(), memstore.New()
	rev, err := store.Write(ctx, "n.node-1.7f3a", 0, []byte("joining"))
	if err != nil {
		fmt.Println(err)
		return
	}
	stop, err := store.Watch(func(e membership.Entry) { fmt.Printf("%s %q at %d\n", e.Key, e.Value, e.Rev) })
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stop()
	entries, asOf, err := store.Snapshot(ctx, "n.")
	fmt.Println(len(entries), "as of", asOf, err)
	if rev, err = store.Write(ctx, "n.node-1.7f3a", rev, []byte("active")); err != nil {
		fmt.Println(err)
	}
	if _, err = store.Write(ctx, "n.node-1.7f3a", rev, nil); err != nil { // removes it
		fmt.Println(err)
	}
	// Output:
	// 1 as of 1 <nil>
	// n.node-1.7f3a "active" at 2
	// n.node-1.7f3a "" at 3
}
