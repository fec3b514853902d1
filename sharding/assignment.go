// Assignment: all nodes' shards at once, with joins and leaves

package sharding

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
)

// Assignment says which node should own each shard, for all nodes at once, and
// follows joins and leaves. It keeps every score it has computed: 8 bytes for
// each shard and node, 3.3 MB for 4,096 shards and 100 nodes. It is not safe for
// concurrent use.
type Assignment struct {
	layout Layout
	nodes  []member // ascending by ID
	owner  []int32  // by shard: index into nodes; -1 without nodes
}

type member struct {
	id     string
	weight float64
	scores []uint64 // by shard
}

// beats reports whether m comes before o for a shard. With equal weights the
// higher score wins. Otherwise the higher -weight/ln(score) wins: that is weighted rendezvous
// hashing (Schindelhauer and Schomaker 2005), and gives each node its part. If both orders apply,
// they agree. The ID decides between equals.
func (m *member) beats(o *member, shard uint32) bool {
	s, t := m.scores[shard], o.scores[shard]
	if m.weight != o.weight {
		if a, b := share(s, m.weight), share(t, o.weight); a != b {
			return a > b
		}
	}
	if s != t {
		return s > t
	}
	return m.id < o.id
}

// share takes the score as a number between 0 and 1.
func share(score uint64, weight float64) float64 {
	return -weight / math.Log((float64(score>>12)+0.5)/(1<<52))
}

// Move is a shard that changes its owner. From or To is empty if there is no such
// owner.
type Move struct {
	Shard    uint32
	From, To string
}

// NewAssignment computes the assignment of the layout's shards to the nodes, on
// all processors. The list of nodes may be empty.
func NewAssignment(layout Layout, nodeIDs []string) (*Assignment, error) {
	if err := layout.Validate(); err != nil {
		return nil, err
	}
	a := &Assignment{layout: layout, owner: make([]int32, layout.NumShards)}
	for _, id := range sortedSet(nodeIDs) {
		if id == "" {
			return nil, fmt.Errorf("an empty node ID")
		}
		a.nodes = append(a.nodes, member{id: id, weight: 1, scores: make([]uint64, layout.NumShards)})
	}
	a.parallel(func(shard uint32, h *hasher) {
		for i := range a.nodes {
			a.nodes[i].scores[shard] = h.score(shard, a.nodes[i].id, layout.Seed)
		}
		a.owner[shard] = a.best(shard)
	})
	return a, nil
}

// parallel calls f for every shard, on as many goroutines as run at once, and
// returns when all have ended.
func (a *Assignment) parallel(f func(shard uint32, h *hasher)) {
	workers := uint32(max(1, min(runtime.GOMAXPROCS(0), int(a.layout.NumShards)/64)))
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			h := hashers.Get().(*hasher)
			defer h.release()
			for shard := w; shard < a.layout.NumShards; shard += workers {
				f(shard, h)
			}
		})
	}
	wg.Wait()
}

func (a *Assignment) best(shard uint32) int32 {
	best := int32(-1)
	for i := range a.nodes {
		if best < 0 || a.nodes[i].beats(&a.nodes[best], shard) {
			best = int32(i)
		}
	}
	return best
}

// Owner returns the node that should own the shard; ok is false if there is no
// node or no such shard.
func (a *Assignment) Owner(shard uint32) (nodeID string, ok bool) {
	if shard >= a.layout.NumShards || a.owner[shard] < 0 {
		return "", false
	}
	return a.nodes[a.owner[shard]].id, true
}

// Candidate is a node's place for a shard. Score is the node's hash for the shard as
// a number between 0 and 1, to the power of one by its weight: the highest should
// own it.
type Candidate struct {
	NodeID string
	Score  float64
}

// Ranking returns the nodes in the order in which they should own the shard: a node should
// own it if the nodes before it are gone. It returns nil if there is no such shard.
func (a *Assignment) Ranking(shard uint32) []Candidate {
	if shard >= a.layout.NumShards {
		return nil
	}
	order := make([]*member, len(a.nodes))
	for i := range a.nodes {
		order[i] = &a.nodes[i]
	}
	slices.SortFunc(order, func(m, o *member) int {
		if m.beats(o, shard) {
			return -1
		}
		return 1 // no two are equal
	})
	ranking := make([]Candidate, len(order))
	for i, m := range order {
		ranking[i] = Candidate{m.id, math.Exp(-1 / share(m.scores[shard], m.weight))}
	}
	return ranking
}

// Shards returns the shards that the node should own, in ascending order.
func (a *Assignment) Shards(nodeID string) []uint32 {
	i, found := a.find(nodeID)
	if !found {
		return nil
	}
	var owned []uint32
	for shard, o := range a.owner {
		if o == int32(i) {
			owned = append(owned, uint32(shard))
		}
	}
	return owned
}

// Join adds a node and returns the shards that move to it, in ascending order. The node's
// part of the shards is weight times that of a node with the weight 1, which the nodes of
// [NewAssignment] have. It hashes once for each shard. A node without an ID changes nothing,
// and neither does a weight that is not positive, or a node that is there already: such a
// node must leave first, also to change its weight.
func (a *Assignment) Join(nodeID string, weight float64) []Move {
	at, found := a.find(nodeID)
	if found || nodeID == "" || !(weight > 0) || math.IsInf(weight, 1) {
		return nil
	}
	n := member{id: nodeID, weight: weight, scores: make([]uint64, a.layout.NumShards)}
	a.parallel(func(shard uint32, h *hasher) { n.scores[shard] = h.score(shard, nodeID, a.layout.Seed) })
	a.nodes = slices.Insert(a.nodes, at, n)
	var moved []Move
	for shard, o := range a.owner {
		if o >= int32(at) {
			o++
			a.owner[shard] = o
		}
		if o < 0 {
			a.owner[shard] = int32(at)
			moved = append(moved, Move{Shard: uint32(shard), To: nodeID})
			continue
		}
		if old := &a.nodes[o]; n.beats(old, uint32(shard)) {
			a.owner[shard] = int32(at)
			moved = append(moved, Move{Shard: uint32(shard), From: old.id, To: nodeID})
		}
	}
	return moved
}

// Leave removes a node and returns the shards that move away from it, in
// ascending order. A node that is not there changes nothing. It hashes nothing.
func (a *Assignment) Leave(nodeID string) []Move {
	at, found := a.find(nodeID)
	if !found {
		return nil
	}
	a.nodes = slices.Delete(a.nodes, at, at+1)
	var moved []Move
	for shard, o := range a.owner {
		switch {
		case o > int32(at):
			a.owner[shard] = o - 1
		case o == int32(at):
			a.owner[shard] = a.best(uint32(shard))
			to, _ := a.Owner(uint32(shard))
			moved = append(moved, Move{Shard: uint32(shard), From: nodeID, To: to})
		}
	}
	return moved
}

func (a *Assignment) find(nodeID string) (index int, found bool) {
	return slices.BinarySearchFunc(a.nodes, nodeID, func(m member, id string) int {
		switch {
		case m.id < id:
			return -1
		case m.id > id:
			return 1
		}
		return 0
	})
}
