// The order in which nodes would own a shard

package view

import (
	"maps"
	"slices"

	"github.com/clstr-go/clstr/sharding"
)

// Rank is a node's place for a shard; see [sharding.Candidate].
type Rank struct {
	Node  *Node
	Score float64
}

// Ranks lists the nodes that take shards, the one that should own the shard
// first; if that goes, the second should, and so on.
func (c *Cluster) Ranks(shard uint32) ([]Rank, error) {
	a, err := c.assignment(nil)
	if err != nil {
		return nil, err
	}
	var ranks []Rank
	for _, r := range a.Ranking(shard) {
		ranks = append(ranks, Rank{c.targets[r.NodeID], r.Score})
	}
	return ranks, nil
}

// assignment is what should be where, after changes: weights by name, 0 for a node
// that goes.
func (c *Cluster) assignment(changes map[string]float64) (*sharding.Assignment, error) {
	a, err := sharding.NewAssignment(c.Layout, nil)
	if err != nil {
		return nil, err
	}
	weights := map[string]float64{}
	for name, n := range c.targets {
		weights[name] = n.Weight
	}
	maps.Copy(weights, changes)
	for _, name := range slices.Sorted(maps.Keys(weights)) {
		a.JoinWeighted(name, weights[name]) // nothing for 0
	}
	return a, nil
}
