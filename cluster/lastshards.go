// The shards of the keys that a client calls again and again

package cluster

import (
	"hash/maphash"
	"strings"
	"sync/atomic"
)

// lastShards remembers the shards of keys, because hashing a key for its shard costs a tenth of a call in memory. Each key has
// four possible places, and takes one that is free. If none is, it takes a place only if it comes twice, without another
// new key of the same places between. So keys that come only once push out few others.
type lastShards struct {
	seed   maphash.Seed
	places [1 << 9]struct {
		keys [4]atomic.Pointer[keyShard] // the free ones are behind the others
		last atomic.Uint32               // hash of the last key that was looked for and not found
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
	free := len(p.keys)
	for i := range p.keys {
		k := p.keys[i].Load()
		if k == nil {
			free = i
			break
		}
		if k.key == key {
			return k.shard
		}
	}
	shard := hash(key)
	if free < len(p.keys) { // another key may take it at the same moment
		p.keys[free].CompareAndSwap(nil, &keyShard{strings.Clone(key), shard})
	} else if last := uint32(sum >> 32); p.last.Swap(last) == last {
		p.keys[sum>>9%4].Store(&keyShard{strings.Clone(key), shard})
	}
	return shard
}
