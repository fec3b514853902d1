// Keeper: what keeps the state of durable entities

package host

import (
	"context"

	"github.com/clstr-go/clstr/state"
)

// Keeper keeps the state of a node's shards: *keeper.Keeper.
type Keeper interface {
	// Read returns what is stored in a range, fresh. It waits for the shard's fence until
	// ctx ends.
	Read(ctx context.Context, shard uint32, r state.Range) (es []state.Entry, more bool, err error)
	// Commit stores a change, and then calls done once, perhaps before it returns. done must
	// not block. Neither does Commit.
	Commit(shard uint32, c state.Change, done func(state.Rev, error))
}
