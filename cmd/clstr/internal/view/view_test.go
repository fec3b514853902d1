package view

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership/memstore"
	"github.com/clstr-go/clstr/sharding"
)

// load makes a picture of nodes that take shards, by name and weight. Each node
// owns what it should.
func load(t *testing.T, layout sharding.Layout, nodes map[string]float64) *Cluster {
	t.Helper()
	store := memstore.New()
	put := func(key string, record any) {
		value, err := json.Marshal(record)
		if err == nil {
			_, err = store.Write(t.Context(), key, 0, value)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	put(record.ConfigKey, record.NewConfig(layout))
	a, err := sharding.NewAssignment(layout, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, weight := range nodes {
		put(record.MemberKey(record.Ref{Name: name, Incarnation: "1"}), record.Member{State: record.Active, Weight: weight})
		a.Join(name, weight)
	}
	for shard := range layout.NumShards {
		owner, _ := a.Owner(shard)
		put(record.ShardKey(shard), record.Shard{Owner: record.Ref{Name: owner, Incarnation: "1"}, Count: 1, Why: record.Claimed})
	}
	c, err := Load(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestRanks: they end in who decides, and the scores say why.
func TestRanks(t *testing.T) {
	for _, seed := range []string{"", "blue"} {
		c := load(t, sharding.Layout{NumShards: 200, Seed: seed}, map[string]float64{"a": 1, "b": 1, "c": 2.5, "d-e": 0.5})
		for _, s := range c.Shards {
			ranks, err := c.Ranks(s.ID)
			if err != nil {
				t.Fatal(err)
			}
			if len(ranks) != 4 || ranks[0].Node.Ref != s.Owner || ranks[0].Node.Ref != s.Target {
				t.Fatalf("seed %q, shard %d of %v: %v", seed, s.ID, s.Owner, ranks)
			}
			if !slices.IsSortedFunc(ranks, func(a, b Rank) int { return -cmp.Compare(a.Score, b.Score) }) {
				t.Errorf("seed %q, shard %d: the scores do not say why: %v", seed, s.ID, ranks)
			}
		}
	}
}

// TestPlan: what it says is what package sharding does.
func TestPlan(t *testing.T) {
	layout := sharding.Layout{NumShards: 128}
	c := load(t, layout, map[string]float64{"a": 1, "b": 1, "c": 2})
	p, err := c.Plan([]Change{{Name: "b"}, {Name: "d", Weight: 3}})
	if err != nil {
		t.Fatal(err)
	}
	after, err := sharding.NewAssignment(layout, []string{"a"})
	if err != nil {
		t.Fatal(err)
	}
	after.Join("c", 2)
	after.Join("d", 3)
	moved := 0
	for _, f := range p.Flows {
		for _, shard := range f.Shards {
			moved++
			if to, _ := after.Owner(shard); to != f.To || c.Shards[shard].Owner.Name != f.From {
				t.Errorf("shard %d from %s to %s: want %s to %s", shard, f.From, f.To, c.Shards[shard].Owner.Name, to)
			}
		}
	}
	stay := 0
	for _, s := range c.Shards {
		if to, _ := after.Owner(s.ID); to == s.Owner.Name {
			stay++
		}
	}
	if p.Moves != moved || moved+stay != 128 || p.Pending != 0 {
		t.Errorf("%d moves, %d in flows, %d stay, %d pending", p.Moves, moved, stay, p.Pending)
	}
	for _, b := range p.Nodes {
		if want := len(after.Shards(b.Name)); b.After != want {
			t.Errorf("%s has %d then, want %d", b.Name, b.After, want)
		}
	}
}

// TestNodeByName: the newest that is there, or the very one that is named.
func TestNodeByName(t *testing.T) {
	c := &Cluster{}
	for i, state := range []string{record.Left, record.Active, record.Leaving, record.Dead} {
		n := &Node{Ref: record.Ref{Name: "a", Incarnation: fmt.Sprint(i)}}
		n.State = state
		c.Nodes = append(c.Nodes, n)
	}
	for name, want := range map[string]string{"a": "a.2", "a.0": "a.0", "a.3": "a.3"} {
		if n, err := c.Node(name); err != nil || n.Ref.String() != want {
			t.Errorf("%s is %v, %v, want %s", name, n, err, want)
		}
	}
	if _, err := c.Node("b"); err == nil || err.Error() != `no node "b": there are a` {
		t.Errorf("b: %v", err)
	}
}

// TestUnreadableMember: it is listed, takes no shards, and is there for those that are
// its own by their records.
func TestUnreadableMember(t *testing.T) {
	store := memstore.New()
	for key, value := range map[string]string{
		record.ConfigKey: string(record.Encode(record.NewConfig(sharding.Layout{NumShards: 4}))),
		"n.a.1":          "{}", "n.b.1": `{"state":"active","lease_ms":10000}`,
		record.ShardKey(2): `{"owner":"a.1","epoch":1,"why":"claim"}`,
	} {
		if _, err := store.Write(t.Context(), key, 0, []byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	c, err := Load(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	n := c.ByRef(record.Ref{Name: "a", Incarnation: "1"})
	if n == nil || n.State != Unreadable || n.Final() || n.Owns != 1 || n.Should != 0 || c.Takers() != 1 {
		t.Errorf("%+v of %d that take shards", n, c.Takers())
	}
}
