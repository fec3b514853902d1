package ownership_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/clstr-go/clstr/internal/ownership"
	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/membership/memstore"
	"github.com/clstr-go/clstr/sharding"
)

// A core decides and does nothing. Who runs one does what it wants, here at once,
// and tells it what has come of that.
func ExampleCore() {
	ctx, store := context.Background(), memstore.New()
	core, err := ownership.NewCore(ownership.Self{
		Ref:    record.Ref{Name: "node-1", Incarnation: "7f3a"},
		Layout: sharding.Layout{NumShards: 2},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	cfg := record.NewConfig(core.Self().Layout)
	if _, err := store.Write(ctx, record.ConfigKey, 0, record.Encode(cfg)); err != nil {
		fmt.Println(err)
		return
	}
	events := []ownership.Event{ownership.Tick{}}
	for ; len(events) > 0; events = events[1:] {
		for _, effect := range core.Step(time.Minute, events[0]) {
			switch e := effect.(type) {
			case ownership.Write:
				rev, err := store.Write(ctx, e.Key, e.Rev, e.Value)
				events = append(events, ownership.Result{Op: e.Op, Rev: rev, Status: status(err)})
			case ownership.Read:
				entry, err := store.Read(ctx, e.Key)
				events = append(events, ownership.Result{Op: e.Op, Entries: []membership.Entry{entry}, Status: status(err)})
			case ownership.Snapshot:
				entries, asOf, err := store.Snapshot(ctx, e.Prefix)
				events = append(events, ownership.Result{Op: e.Op, Entries: entries, AsOf: asOf, Status: status(err)})
			case ownership.Open:
				fmt.Printf("serve shard %d in epoch %d\n", e.Shard, e.Epoch)
				events = append(events, ownership.Opened{Shard: e.Shard, Epoch: e.Epoch})
			case ownership.Joined, ownership.Settled:
				fmt.Printf("%T\n", e)
			}
		}
	}
	// Output:
	// ownership.Joined
	// serve shard 0 in epoch 4
	// serve shard 1 in epoch 5
	// ownership.Settled
}

// status is how an operation on a store has ended, as a core wants to know it.
func status(err error) ownership.Status {
	switch {
	case err == nil:
		return ownership.Done
	case errors.Is(err, membership.ErrConflict):
		return ownership.Conflict
	}
	return ownership.Unknown
}
