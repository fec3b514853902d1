// Which node should own a shard, and what would move if nodes came or went

package view

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/clstr-go/clstr/sharding"
)

// Change is a node that would come, or that would go if its weight is 0.
type Change struct {
	Name   string
	Weight float64
}

// Flow is the shards that would go from one node to another. An empty name means that
// there is no node.
type Flow struct {
	From, To string
	Shards   []uint32 // ascending
}

// Balance is a node's shards before and after.
type Balance struct {
	Name          string
	Before, After int
}

// Plan is what would move.
type Plan struct {
	Nodes   []Balance // by name
	Flows   []Flow    // the largest first
	Moves   int
	Pending int // moves that happen without the changes too
}

// Plan computes what the changes would lead to, from the present owners.
func (c *Cluster) Plan(changes []Change) (*Plan, error) {
	weights := map[string]float64{}
	for _, ch := range changes {
		if _, twice := weights[ch.Name]; twice {
			return nil, fmt.Errorf("node %q is named twice", ch.Name)
		}
		if ch.Weight > 0 && c.targets[ch.Name] != nil {
			return nil, fmt.Errorf("node %q is there already: --add is for one that is not", ch.Name)
		}
		if ch.Weight == 0 {
			n, err := c.Node(ch.Name)
			if err != nil {
				return nil, err
			}
			ch.Name = n.Name
		}
		weights[ch.Name] = ch.Weight
	}
	after, err := c.assignment(weights)
	if err != nil {
		return nil, err
	}
	counts := map[string]*Balance{}
	count := func(name string) *Balance {
		if counts[name] == nil {
			counts[name] = &Balance{Name: name}
		}
		return counts[name]
	}
	for name := range c.targets {
		count(name)
	}
	p := &Plan{}
	flows := map[[2]string]*Flow{}
	for i := range c.Shards {
		s := &c.Shards[i]
		from, to := s.Owner.Name, ""
		to, _ = after.Owner(s.ID)
		if from != "" {
			count(from).Before++
		}
		if to != "" {
			count(to).After++
		}
		if from == to {
			continue
		}
		p.Moves++
		if s.Target.Name == to {
			p.Pending++
		}
		key := [2]string{from, to}
		if flows[key] == nil {
			flows[key] = &Flow{From: from, To: to}
		}
		flows[key].Shards = append(flows[key].Shards, s.ID)
	}
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		p.Nodes = append(p.Nodes, *counts[name])
	}
	for _, f := range flows {
		p.Flows = append(p.Flows, *f)
	}
	slices.SortFunc(p.Flows, func(a, b Flow) int {
		return cmp.Or(-cmp.Compare(len(a.Shards), len(b.Shards)), cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To))
	})
	return p, nil
}

// Rank is a node's place for a shard: see [sharding.Candidate].
type Rank struct {
	Node  *Node
	Score float64
}

// Ranks lists the nodes that take shards, by their score for one shard. The first
// should own the shard; if it goes, the second should.
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

// assignment computes which node should own which shard after changes: weights by name,
// 0 for a node that goes.
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
		a.Join(name, weights[name]) // does nothing for 0
	}
	return a, nil
}
