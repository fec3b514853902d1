// A cluster from its records: the nodes, what each owns, and what it should own

// Package view makes a picture of a cluster from the records in its store: its nodes, the
// owner of each shard, the node that should own it, and what would move after changes.
package view

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/sharding"
)

// ErrNoCluster: the store has no records of a cluster.
var ErrNoCluster = errors.New("no cluster")

// UnknownNodeError: no node has the name.
type UnknownNodeError struct {
	Name  string
	Known []string // in ascending order
}

func (e *UnknownNodeError) Error() string {
	if len(e.Known) == 0 {
		return fmt.Sprintf("no node %q: the cluster has none", e.Name)
	}
	return fmt.Sprintf("no node %q: there are %s", e.Name, strings.Join(e.Known, ", "))
}

// Unreadable is the state of a member whose record no node has written. The others
// declare it dead after the longest lease.
const Unreadable = "unreadable"

// Node is a member.
type Node struct {
	record.Ref
	record.Member
	Rev uint64
	// Owns counts the shards that the node owns by their records. Should counts those
	// that rendezvous hashing gives it.
	Owns, Should int
}

// Shard is a shard's record. If there is none, Rev is 0.
type Shard struct {
	ID uint32
	record.Shard
	Rev uint64
	// Unreadable is set for a record that no node has written. The node that should own
	// the shard writes it anew.
	Unreadable bool
	// Target is the node that should own it. It is zero if no node takes shards.
	Target record.Ref
}

// Cluster is a picture of a cluster.
type Cluster struct {
	Config record.Config
	Layout sharding.Layout
	Nodes  []*Node // by name, then by age
	Shards []Shard // by ID

	targets map[string]*Node // by name: those that take shards
	assign  *sharding.Assignment
}

// Load reads the records.
func Load(ctx context.Context, store membership.Store) (*Cluster, error) {
	c := &Cluster{targets: map[string]*Node{}}
	e, err := store.Read(ctx, record.ConfigKey)
	if err != nil {
		return nil, err
	}
	if e.Rev == 0 {
		return nil, ErrNoCluster
	}
	if c.Config, err = record.Decode[record.Config](e.Value); err != nil {
		return nil, fmt.Errorf("the cluster's record is not readable: %w", err)
	}
	c.Layout = sharding.Layout{NumShards: c.Config.NumShards, Seed: c.Config.Seed}
	if err := record.NewConfig(c.Layout).Check(c.Config); err != nil {
		return nil, fmt.Errorf("this clstr does not know the cluster's records: %w", err)
	}
	if err := c.Layout.Validate(); err != nil {
		return nil, fmt.Errorf("the cluster's record: %w", err)
	}
	shards, _, err := store.Snapshot(ctx, record.ShardPrefix) // first: owners are members already
	if err != nil {
		return nil, err
	}
	members, _, err := store.Snapshot(ctx, record.MemberPrefix)
	if err != nil {
		return nil, err
	}
	if err := c.seeMembers(members); err != nil {
		return nil, err
	}
	c.seeShards(shards)
	return c, nil
}

func (c *Cluster) seeMembers(entries []membership.Entry) (err error) {
	for _, e := range entries {
		if n, ok := DecodeNode(e); ok {
			c.Nodes = append(c.Nodes, n)
		} else if ref, ok := record.ParseMemberKey(e.Key); ok {
			c.Nodes = append(c.Nodes, &Node{Ref: ref, Member: record.Member{State: Unreadable, Weight: 1}, Rev: e.Rev})
		}
	}
	slices.SortFunc(c.Nodes, func(a, b *Node) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Born, b.Born), cmp.Compare(a.Incarnation, b.Incarnation))
	})
	if c.assign, err = sharding.NewAssignment(c.Layout, nil); err != nil {
		return err
	}
	for _, n := range c.Nodes { // the newest of a name is the last
		if n.State == record.Active {
			c.targets[n.Name] = n
		}
	}
	for name, n := range c.targets {
		c.assign.Join(name, n.Weight)
	}
	return nil
}

// DecodeNode reads a member's record, and adds what the record's first version leaves
// out.
func DecodeNode(e membership.Entry) (*Node, bool) {
	ref, ok := record.ParseMemberKey(e.Key)
	m, err := record.Decode[record.Member](e.Value)
	if !ok || err != nil {
		return nil, false
	}
	m.Born = cmp.Or(m.Born, e.Rev)
	if m.Weight <= 0 {
		m.Weight = 1
	}
	return &Node{Ref: ref, Member: m, Rev: e.Rev}, true
}

func (c *Cluster) seeShards(entries []membership.Entry) {
	c.Shards = make([]Shard, c.Layout.NumShards)
	for i := range c.Shards {
		c.Shards[i].ID = uint32(i)
	}
	for _, e := range entries {
		id, ok := record.ParseShardKey(e.Key)
		if ok && id < c.Layout.NumShards {
			rec, err := record.DecodeShard(e)
			c.Shards[id].Shard, c.Shards[id].Rev, c.Shards[id].Unreadable = rec, e.Rev, err != nil
		}
	}
	byRef := map[record.Ref]*Node{}
	for _, n := range c.Nodes {
		byRef[n.Ref] = n
	}
	for i := range c.Shards {
		s := &c.Shards[i]
		if n := byRef[s.Owner]; n != nil {
			n.Owns++
		}
		if name, ok := c.assign.Owner(s.ID); ok {
			s.Target = c.targets[name].Ref
			c.targets[name].Should++
		}
	}
}

// Node finds a member by its name, or by its name, a dot and its incarnation. Of
// several incarnations with one name it returns the newest that has not gone.
func (c *Cluster) Node(name string) (*Node, error) {
	var found *Node
	known := []string{}
	for _, n := range c.Nodes {
		if n.Ref.String() == name {
			return n, nil
		}
		if n.Name == name && (found == nil || found.Final() || !n.Final()) {
			found = n
		}
		known = append(known, n.Name)
	}
	if found == nil {
		return nil, &UnknownNodeError{name, slices.Compact(known)}
	}
	return found, nil
}

// ByRef finds one life of a node. It returns nil if there is no record of it.
func (c *Cluster) ByRef(ref record.Ref) *Node {
	for _, n := range c.Nodes {
		if n.Ref == ref {
			return n
		}
	}
	return nil
}

// Takers returns how many nodes take shards.
func (c *Cluster) Takers() int { return len(c.targets) }
