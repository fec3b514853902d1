// Which node should own which shard

package ownership

import (
	"maps"
	"slices"

	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/sharding"
)

// targets are the members that take shards, and which of the shards.
type targets struct {
	*operations
	members *members
	assign  *sharding.Assignment
	weights map[string]float64    // by name: those that assign knows
	newest  map[string]record.Ref // by name: its newest incarnation that takes shards
	wanted  int                   // of all shards: how many are this node's by that
	stayer  record.Ref            // the one of those that leave which takes the others' shards; see last.go
}

func newTargets(ops *operations, m *members, assign *sharding.Assignment) targets {
	return targets{operations: ops, members: m, assign: assign, weights: map[string]float64{}, newest: map[string]record.Ref{}}
}

// follow follows the members that take shards: for each name the newest of its
// incarnations that are active. If there is none, the last to leave does, unless it is
// this node and waits for no other.
func (t *targets) follow(waitsForNone bool) {
	newest := map[string]record.Ref{}
	for ref, m := range t.members.all {
		if m.State != record.Active {
			continue
		}
		if old, ok := newest[ref.Name]; !ok || t.members.all[old].Born < m.Born {
			newest[ref.Name] = ref
		}
	}
	if t.stayer = (record.Ref{}); len(newest) == 0 {
		if last := t.members.lastToLeave(); !last.IsZero() && !(last == t.self.Ref && waitsForNone) {
			t.stayer = last
			newest[last.Name] = last
		}
	}
	for name := range t.weights {
		if ref, ok := newest[name]; !ok || t.weights[name] != t.weightOf(ref) {
			t.assign.Leave(name)
			delete(t.weights, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(newest)) {
		if _, ok := t.weights[name]; !ok {
			t.weights[name] = t.weightOf(newest[name])
			t.assign.Join(name, t.weights[name])
		}
	}
	t.newest = newest
	t.wanted = 0
	for i := range t.self.Layout.NumShards {
		t.wanted += btoi(t.of(i) == t.self.Ref && t.stayer.IsZero())
	}
}

func (t *targets) weightOf(ref record.Ref) float64 {
	if w := t.members.all[ref].Weight; w > 0 {
		return w
	}
	return 1
}

// of is the member that should own a shard; zero is none.
func (t *targets) of(shard uint32) record.Ref {
	name, ok := t.assign.Owner(shard)
	if !ok {
		return record.Ref{}
	}
	return t.newest[name]
}
