// Fixed lists: what their nodes tell, and whether two lists overlap

package routes

import (
	"slices"

	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/outcome"
)

// How much is remembered of fixed lists: so many nodes, and so many shards on all their lists together. A list takes few bytes in an
// answer, however many shards it names.
const (
	mostNodes  = 4096
	mostListed = 8 * wire.MaxShards
)

// hasRoom returns an error if there is no room for the fixed list of a node beside what is known. Nodes that have gone make room. They
// may still be known, because a node that loses its last route is not forgotten while something is on its way there.
func (rs *Routes[B]) hasRoom(told *wire.Owners) error {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	err := rs.tooMuch(told)
	if err == nil || rs.swept > rs.rounds { // one look for each question is enough, however many answers there are
		return err
	}
	rs.swept = rs.rounds + 1
	for _, b := range rs.boxes {
		if n := b.Known(); n.Gone.Load() || !n.fixed {
			rs.forget(b)
		}
	}
	return rs.tooMuch(told)
}

// tooMuch returns an error if the list is too much beside what is known. It is called with mu held.
func (rs *Routes[B]) tooMuch(told *wire.Owners) error {
	listed := rs.listed
	if box, known := rs.boxes[told.Node]; known {
		listed -= len(box.Known().serves)
	} else if len(rs.boxes) >= mostNodes {
		return outcome.Errorf(outcome.ErrBadEnvelope, "owners: a further node with a fixed list: %d nodes are known, which is all that is allowed", len(rs.boxes))
	}
	for i, run := range told.Runs {
		listed += int(run) * (i % 2)
	}
	if listed > mostListed {
		return outcome.Errorf(outcome.ErrBadEnvelope, "owners: %d shards on all fixed lists: at most %d allowed", listed, mostListed)
	}
	return nil
}

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
	before, again := n.serves, n.round == rs.rounds && slices.Equal(n.serves, serves)
	rs.listed += len(serves) - len(n.serves)
	n.serves, n.fixed, n.round = serves, true, rs.rounds
	if !again {
		rs.compare(n)
	}
	n.Gone.Store(false)
	for _, shard := range serves {
		rs.learnOne(shard, wire.Owner{Node: told.Node}, true)
	}
	for _, shard := range before {
		if r := rs.Get(shard); r != nil && r.To == box && r.Epoch == 0 && !contains(serves, shard) {
			rs.set(shard, r, nil)
		}
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
