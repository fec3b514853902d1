// Fixed lists: what their nodes tell, and whether two lists overlap

package routes

import (
	"slices"

	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/internal/wire"
)

// learnFixed takes the whole fixed list of a node. It is called with mu held.
func (rs *Routes[B]) learnFixed(told *wire.Owners) {
	box, serves, shard := rs.box(told.Node), []uint32(nil), uint32(0)
	n := box.Known()
	for i, run := range told.Runs {
		for range run * uint32(i%2) {
			serves = append(serves, shard)
			shard++
		}
		shard += run * uint32(1-i%2)
	}
	for _, shard := range n.serves {
		if r := rs.Get(shard); r != nil && r.To == box && r.Epoch == 0 && !contains(serves, shard) {
			rs.set(shard, r, nil)
		}
	}
	again := n.round == rs.rounds && slices.Equal(n.serves, serves)
	n.serves, n.fixed, n.round = serves, true, rs.rounds
	if !again {
		rs.compare(n)
	}
	n.Gone.Store(false)
	for _, shard := range serves {
		rs.learnOne(shard, wire.Owner{Node: told.Node}, true)
	}
}

// compare says which shards of a node's fixed list are also in the list of this end, or in that of another node which has
// answered the same question. It is called with mu held.
func (rs *Routes[B]) compare(n *Node) {
	if n.Name == rs.node {
		return
	}
	last := ""
	for _, shard := range n.serves {
		other, r, to := rs.node, rs.Get(shard), (*Node)(nil)
		if r != nil {
			to = r.To.Known()
		}
		if to != nil && to != n {
			r.rival = n // if the other answers later
		}
		switch {
		case rs.end.Lists(shard):
		case r == nil || r.Epoch > 0:
			continue
		case to != n && to.tells(shard, n.round):
			other = to.Name
		case to == n && r.rival != nil && r.rival.tells(shard, n.round):
			other = r.rival.Name
		default:
			continue
		}
		if other != last {
			last = other
			rs.log.Warn("two nodes serve a shard by fixed lists: the lists must not overlap", sparse.Shard(shard), "node", n.Name, "other", other)
		}
	}
}

func contains(sorted []uint32, shard uint32) bool {
	_, found := slices.BinarySearch(sorted, shard)
	return found
}
