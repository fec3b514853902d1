// Shards that a client has called before

package cluster

import "sync/atomic"

// shardSet is a set of shards that only grows. It is safe for concurrent use.
type shardSet []atomic.Uint64

func newShardSet(numShards uint32) shardSet { return make(shardSet, (numShards+63)/64) }

// add reports whether the shard is new to the set. Of several calls at once only one is told so.
func (s shardSet) add(shard uint32) bool {
	word, bit := &s[shard/64], uint64(1)<<(shard%64)
	return word.Load()&bit == 0 && word.Or(bit)&bit == 0
}
