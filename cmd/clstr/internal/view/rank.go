package view

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"

	"golang.org/x/crypto/blake2b"

	"github.com/clstr-go/clstr/sharding"
)

// Rank is a node's place for a shard.
type Rank struct {
	Node *Node
	// Score is the node's hash for the shard, between 0 and 1, to the power of one
	// by its weight: the highest is the first.
	Score float64
}

// Ranks lists the nodes that take shards, the one that should own the shard
// first; if that goes, the second should, and so on.
func (c *Cluster) Ranks(shard uint32) ([]Rank, error) {
	rest, err := c.assignment(nil)
	if err != nil {
		return nil, err
	}
	var ranks []Rank
	for {
		name, ok := rest.Owner(shard)
		if !ok {
			return ranks, nil
		}
		ranks = append(ranks, Rank{c.targets[name], math.Pow(score(c.Layout, shard, name), 1/c.targets[name].Weight)})
		rest.Leave(name)
	}
}

// score is the contract of package sharding (docs/decisions/0012): what decides is
// that package, and this is for people to see why.
func score(l sharding.Layout, shard uint32, node string) float64 {
	h, err := blake2b.New(8, nil)
	if err != nil {
		panic(err) // for a size out of range
	}
	if l.Seed != "" {
		fmt.Fprintf(h, "%s\x00", l.Seed)
	}
	fmt.Fprintf(h, "shard:%d\x00%s", shard, node)
	return float64(binary.BigEndian.Uint64(h.Sum(nil))>>11) / (1 << 53)
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
