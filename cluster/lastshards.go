// The shards of the keys that a client calls again and again

package cluster

import (
	"hash/maphash"
	"strings"
	"sync/atomic"
)

// lastShards remembers the shards of keys, because hashing a key for its shard costs a tenth of a call in memory. Each key has
// one possible place. A key takes its place if that is free. Otherwise it must come twice, without a third key
// of the same place between. So keys that come only once push out few others.
type lastShards struct {
	seed   maphash.Seed
	places [1 << 11]struct {
		key  atomic.Pointer[keyShard]
		last atomic.Uint32 // hash of the last key that was looked for and not found
	}
}

type keyShard struct {
	key   string
	shard uint32
}

// mostRemembered is how many bytes a remembered key has at most.
const mostRemembered = 64

// of returns the shard of a key, which hash computes.
func (s *lastShards) of(key string, hash func(string) uint32) uint32 {
	if len(key) > mostRemembered {
		return hash(key)
	}
	sum := maphash.String(s.seed, key)
	p := &s.places[sum%uint64(len(s.places))]
	k := p.key.Load()
	if k != nil && k.key == key {
		return k.shard
	}
	shard := hash(key)
	if last := uint32(sum >> 32); p.last.Swap(last) == last || k == nil {
		p.key.Store(&keyShard{strings.Clone(key), shard})
	}
	return shard
}
