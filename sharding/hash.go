// Layout, the two mappings, the fingerprint by which two ends compare layouts

package sharding

import (
	"encoding/binary"
	"fmt"
	"hash"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/crypto/blake2b"
)

// MaxShards is the largest shard count of a [Layout].
const MaxShards = 1 << 20

// maxSeed is how many bytes the seed of a [Layout] may have.
const maxSeed = 4096

// Layout is a cluster's mapping of keys to shards. Clients and nodes of one
// cluster have the same.
type Layout struct {
	// NumShards is the number of shards, 1 to MaxShards.
	NumShards uint32
	// Seed makes the mapping of one cluster differ from that of another. It has maxSeed
	// bytes at most.
	Seed string
}

// Validate refuses a shard count that is not in 1 to MaxShards, and a Seed that is too
// long.
func (l Layout) Validate() error {
	if len(l.Seed) > maxSeed {
		return fmt.Errorf("a seed of %d bytes: at most %d allowed", len(l.Seed), maxSeed)
	}
	if l.NumShards == 0 || l.NumShards > MaxShards {
		return fmt.Errorf("%d shards: 1 to %d allowed", l.NumShards, MaxShards)
	}
	return nil
}

// Shard returns the shard of a key, which may be any bytes.
func (l Layout) Shard(key string) uint32 { return ShardFromString(key, l.NumShards, l.Seed) }

// Fingerprint identifies the layout and its hash, so that two ends can tell
// whether theirs are equal. It is stable and never 0.
func (l Layout) Fingerprint() uint64 {
	h := hashers.Get().(*hasher)
	h.buf = append(h.buf[:0], "clstr layout: blake2b-64 rendezvous\x00"...)
	h.buf = strconv.AppendUint(h.buf, uint64(l.NumShards), 10)
	h.buf = append(h.buf, 0)
	h.buf = append(h.buf, l.Seed...)
	sum := h.sum()
	h.release()
	return max(sum, 1)
}

// ShardFromString computes a shard number (0 to numShards-1) from a string key,
// which may be any bytes: the BLAKE2b-64 digest (RFC 7693, 8 bytes, big endian)
// of the key, behind the seed and a zero byte if there is a seed, modulo
// numShards. It allocates nothing. Without shards it returns 0.
func ShardFromString(key string, numShards uint32, seed string) uint32 {
	if numShards == 0 {
		return 0
	}
	h := hashers.Get().(*hasher)
	h.seed(seed)
	h.buf = append(h.buf, key...)
	sum := h.sum()
	h.release()
	return uint32(sum % uint64(numShards))
}

// ShardsForNode computes which shards a node should own, in ascending order, by highest
// random weight (rendezvous) hashing (Thaler and Ravishankar 1998). Equal arguments give
// the same shards in every process, whatever the order of nodeIDs. It returns nil for a
// node that is not among nodeIDs. A node ID that is listed twice counts once. [Assignment]
// computes all nodes' shards at once.
func ShardsForNode(nodeID string, nodeIDs []string, numShards uint32, seed string) []uint32 {
	nodes := sortedSet(nodeIDs)
	if !slices.Contains(nodes, nodeID) {
		return nil
	}
	h := hashers.Get().(*hasher)
	defer h.release()
	owned := make([]uint32, 0, int(numShards)/len(nodes)+1)
	for shard := range numShards {
		if owner, _ := h.best(nodes, shard, seed); nodes[owner] == nodeID {
			owned = append(owned, shard)
		}
	}
	return owned
}

// sortedSet returns the distinct IDs in ascending order: of equal scores the
// first wins.
func sortedSet(ids []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(ids)))
}

// hasher is a reused BLAKE2b state with room for its input and its output.
type hasher struct {
	state hash.Hash
	buf   []byte
	out   []byte
}

var hashers = sync.Pool{New: func() any {
	state, _ := blake2b.New(8, nil) // fails only for a size or a key out of range
	return &hasher{state: state, buf: make([]byte, 0, 128), out: make([]byte, 0, 8)}
}}

// release gives the hasher back, unless a giant of a key has made it large.
func (h *hasher) release() {
	if cap(h.buf) <= 64<<10 {
		hashers.Put(h)
	}
}

// seed begins an input: the seed and a zero byte, if there is a seed.
func (h *hasher) seed(seed string) {
	h.buf = h.buf[:0]
	if seed != "" {
		h.buf = append(append(h.buf, seed...), 0)
	}
}

func (h *hasher) sum() uint64 {
	h.state.Reset()
	_, _ = h.state.Write(h.buf)
	return binary.BigEndian.Uint64(h.state.Sum(h.out))
}

// score is the weight of a node for a shard.
func (h *hasher) score(shard uint32, node, seed string) uint64 {
	h.seed(seed)
	h.buf = append(h.buf, "shard:"...)
	h.buf = strconv.AppendUint(h.buf, uint64(shard), 10)
	h.buf = append(h.buf, 0)
	h.buf = append(h.buf, node...)
	return h.sum()
}

// best returns the index of the node with the highest score.
func (h *hasher) best(nodes []string, shard uint32, seed string) (index int, score uint64) {
	for i, node := range nodes {
		if s := h.score(shard, node, seed); i == 0 || s > score {
			index, score = i, s
		}
	}
	return index, score
}
