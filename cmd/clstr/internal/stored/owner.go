// The owner that a tool opens a shard as, and the shard of a key

package stored

import (
	"context"
	"errors"
	"fmt"

	"github.com/clstr-go/clstr/sharding"
	"github.com/clstr-go/clstr/state"
)

// Place says where a key's record is, or will be, and which owner may write it.
type Place struct {
	Shard uint32
	Owner state.Owner
	// Opened: a node has opened the shard. Fixed: the last one had a fixed list of shards.
	Opened, Fixed bool
}

// ErrNoLayout: no node has said yet how keys map to shards.
var ErrNoLayout = errors.New("no node has used this store yet, so nothing says how keys map to shards")

// Where returns the place of a key. there is its record, if it has one.
func Where(ctx context.Context, s Store, key string, there *state.Entry) (p Place, err error) {
	sign, _, err := s.Fence(ctx, 0)
	if err != nil {
		return p, err
	}
	if there != nil {
		p.Shard = there.Shard
	} else if l, ok := Layout(sign); ok {
		p.Shard = l.Shard(key)
	} else {
		return p, ErrNoLayout
	}
	_, fence, err := s.Fence(ctx, p.Shard)
	p.Owner = state.Owner{Cluster: sign.Cluster, Layout: sign.Layout, Epoch: fence.Epoch}
	p.Opened = fence.N > 0
	p.Fixed = p.Opened && fence.Cluster == ""
	return p, err
}

// Layout reads how keys map to shards from what nodes have left in a store.
func Layout(sign state.Signature) (l sharding.Layout, ok bool) {
	n, err := fmt.Sscanf(sign.Layout, "%d shards, seed %q", &l.NumShards, &l.Seed)
	return l, err == nil && n == 2 && l.Validate() == nil
}
