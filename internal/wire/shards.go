// Refuses a message to a shard that the cluster does not have

package wire

import (
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// CheckShard returns [outcome.ErrLayoutMismatch] for a message to a shard without an
// owner if the sender's shard count differs from the cluster's, because no owner will come. With 0
// the cluster's count is not known.
func CheckShard(env *transport.Envelope, numShards uint32) error {
	switch {
	case numShards == 0:
	case env.NumShards != 0 && env.NumShards != numShards:
		return outcome.Errorf(outcome.ErrLayoutMismatch, "the caller has %d shards, the cluster %d", env.NumShards, numShards)
	case uint32(env.Shard) >= numShards:
		return outcome.Errorf(outcome.ErrLayoutMismatch, "there is no shard %d: the cluster has %d shards", env.Shard, numShards)
	}
	return nil
}
