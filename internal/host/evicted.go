// The keys that were evicted, as 64 bytes of hashes for each key that may be active

package host

import (
	"hash/maphash"
	"math/bits"
	"slices"
)

// evicted remembers keys that were evicted, sixteen times as many as may be active. It serves only a count, so it may
// forget a key earlier. Once in some hundred million times it takes a key for another.
type evicted struct {
	seed    maphash.Seed
	buckets []bucket // a key has its place in one of them
	next    int      // the place that is taken in a full one
}

// bucket has a part of each key's hash. 0 is a free place.
type bucket [16]uint32

// How many buckets there are: as many as keys may be active, within these bounds. That is 8 KiB to 4 MiB.
const (
	fewestBuckets = 128
	mostBuckets   = 64 << 10
)

func newEvicted(cacheSize int) *evicted {
	return &evicted{seed: maphash.MakeSeed(), buckets: make([]bucket, min(max(cacheSize, fewestBuckets), mostBuckets))}
}

func (e *evicted) find(shard uint32, key string) (b *bucket, part uint32) {
	hash := maphash.String(e.seed, key) ^ uint64(shard)*0x9E3779B97F4A7C15
	at, _ := bits.Mul64(hash, uint64(len(e.buckets)))
	return &e.buckets[at], uint32(hash) | 1
}

// add remembers a key. In a full bucket it takes the place of another, and not always of the oldest, because keys that
// come in turn would all be forgotten before they come back.
func (e *evicted) add(shard uint32, key string) {
	b, part := e.find(shard, key)
	at := slices.Index(b[:], part)
	if at < 0 {
		at = slices.Index(b[:], 0)
	}
	if at < 0 {
		e.next = (e.next + 1) % len(b)
		at = e.next
	}
	b[at] = part
}

// remove forgets a key, and reports whether it was remembered.
func (e *evicted) remove(shard uint32, key string) bool {
	b, part := e.find(shard, key)
	at := slices.Index(b[:], part)
	if at < 0 {
		return false
	}
	b[at] = 0
	return true
}
