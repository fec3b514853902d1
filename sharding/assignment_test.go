package sharding

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func nodeIDs(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprint("node-", i)
	}
	return ids
}

// newRand returns a generator whose seed a failing test shows.
func newRand(t *testing.T) *rand.Rand {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func newAssignment(t testing.TB, layout Layout, nodes []string) *Assignment {
	t.Helper()
	a, err := NewAssignment(layout, nodes)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// checkAgrees compares an assignment with what each node computes for itself.
func checkAgrees(t *testing.T, a *Assignment, layout Layout, nodes []string) {
	t.Helper()
	if want := sortedSet(nodes); !slices.Equal(a.ids(), want) {
		t.Fatalf("nodes %q, want %q", a.ids(), want)
	}
	total := 0
	for _, id := range a.ids() {
		want := ShardsForNode(id, nodes, layout.NumShards, layout.Seed)
		if got := a.Shards(id); !slices.Equal(got, want) {
			t.Fatalf("%q among %q: %v, want %v", id, nodes, got, want)
		}
		for _, shard := range want {
			if owner, ok := a.Owner(shard); !ok || owner != id {
				t.Fatalf("shard %d belongs to %q (%v), want %q", shard, owner, ok, id)
			}
		}
		total += len(want)
	}
	if len(nodes) > 0 && total != int(layout.NumShards) {
		t.Fatalf("%d of %d shards are owned", total, layout.NumShards)
	}
}

func TestAssignmentOfNobody(t *testing.T) {
	layout := Layout{NumShards: 8}
	a := newAssignment(t, layout, nil)
	if owner, ok := a.Owner(0); ok || owner != "" {
		t.Errorf("shard 0 belongs to %q (%v)", owner, ok)
	}
	moves := a.Join("a", 1)
	if len(moves) != 8 || moves[3] != (Move{Shard: 3, To: "a"}) {
		t.Errorf("the first join: %v", moves)
	}
	checkAgrees(t, a, layout, []string{"a"})
	moves = a.Leave("a")
	if len(moves) != 8 || moves[3] != (Move{Shard: 3, From: "a"}) {
		t.Errorf("the last leave: %v", moves)
	}
	checkAgrees(t, a, layout, nil)
	if _, ok := a.Owner(0); ok {
		t.Error("shard 0 has an owner after the last leave")
	}
}

func TestAssignmentRefusesWhatCannotBe(t *testing.T) {
	for name, f := range map[string]func() (*Assignment, error){
		"no shards":       func() (*Assignment, error) { return NewAssignment(Layout{}, []string{"a"}) },
		"too many shards": func() (*Assignment, error) { return NewAssignment(Layout{NumShards: MaxShards + 1}, nil) },
		"an empty ID":     func() (*Assignment, error) { return NewAssignment(Layout{NumShards: 1}, []string{"a", ""}) },
	} {
		if a, err := f(); err == nil || a != nil {
			t.Errorf("%s: %v, %v", name, a, err)
		}
	}
	a := newAssignment(t, Layout{NumShards: 4}, []string{"a", "b"})
	for name, moves := range map[string][]Move{
		"a join of one that is there": a.Join("a", 1), "a join without an ID": a.Join("", 1), "a leave of a stranger": a.Leave("c"),
	} {
		if moves != nil {
			t.Errorf("%s moves %v", name, moves)
		}
	}
	checkAgrees(t, a, Layout{NumShards: 4}, []string{"a", "b"})
	if _, ok := a.Owner(4); ok {
		t.Error("shard 4 of 4 has an owner")
	}
	if got := a.Shards("c"); got != nil {
		t.Errorf("a stranger owns %v", got)
	}
}

// TestAssignmentFollowsJoinsAndLeaves: after any sequence it is what a new one
// would be, and what it said to have moved is what has moved.
func TestAssignmentFollowsJoinsAndLeaves(t *testing.T) {
	rng := newRand(t)
	pool := append(nodeIDs(20), "\x00", "\xff", "a b", "node", "узел")
	for _, layout := range []Layout{{1, ""}, {7, "seed"}, {100, ""}, {256, "prod"}} {
		start := pool[:rng.IntN(4)]
		live := slices.Clone(start)
		a := newAssignment(t, layout, start)
		for step := range 60 {
			before := owners(a, layout)
			id := pool[rng.IntN(len(pool))]
			var moves []Move
			at := slices.Index(live, id)
			joins := at < 0
			if joins {
				moves, live = a.Join(id, 1), append(live, id)
			} else {
				moves, live = a.Leave(id), slices.Delete(live, at, at+1)
			}
			after := owners(a, layout)
			if want := owners(newAssignment(t, layout, live), layout); !slices.Equal(after, want) {
				t.Fatalf("among %q: owners %q, want %q", live, after, want)
			}
			checkMoves(t, moves, id, joins, before, after)
			if step%15 == 0 { // it hashes for each node what the others have hashed
				checkAgrees(t, a, layout, live)
			}
		}
	}
}

func owners(a *Assignment, layout Layout) []string {
	all := make([]string, layout.NumShards)
	for shard := range all {
		all[shard], _ = a.Owner(uint32(shard))
	}
	return all
}

// checkMoves requires that exactly what was told has moved, only to the node
// that joined or only from the one that left.
func checkMoves(t *testing.T, moves []Move, id string, joins bool, before, after []string) {
	t.Helper()
	var want []Move
	for shard := range before {
		if before[shard] != after[shard] {
			want = append(want, Move{uint32(shard), before[shard], after[shard]})
		}
	}
	if !slices.Equal(moves, want) {
		t.Fatalf("%q: told %v, moved %v", id, moves, want)
	}
	for _, m := range moves {
		if joins && m.To != id || !joins && m.From != id {
			t.Fatalf("%q joins: %v: yet %+v", id, joins, m)
		}
	}
}

// TestEqualScores: of two nodes with the same score the first by ID wins, in
// whatever order they came. Real scores of 64 bits do not meet in a test.
func TestEqualScores(t *testing.T) {
	a := newAssignment(t, Layout{NumShards: 1}, []string{"b", "c"})
	for i := range a.nodes {
		a.nodes[i].scores[0] = 5
	}
	if a.nodes[a.best(0)].id != "b" {
		t.Errorf("%q wins, want b", a.nodes[a.best(0)].id)
	}
}

// TestNodesShareEvenly: six standard deviations on either side of the mean.
func TestNodesShareEvenly(t *testing.T) {
	const shards, nodes = 4096, 16
	a := newAssignment(t, Layout{NumShards: shards}, nodeIDs(nodes))
	mean := float64(shards) / nodes
	for _, id := range a.ids() {
		if n := float64(len(a.Shards(id))); math.Abs(n-mean) > 6*math.Sqrt(mean) {
			t.Errorf("%s owns %v shards, want about %v", id, n, mean)
		}
	}
	moved := float64(len(a.Join("new", 1)))
	if mean := float64(shards) / (nodes + 1); math.Abs(moved-mean) > 6*math.Sqrt(mean) {
		t.Errorf("a join moves %v shards, want about %v", moved, mean)
	}
}

// FuzzAssignment reads joins and leaves from bytes.
func FuzzAssignment(f *testing.F) {
	f.Add(uint8(1), "", []byte{0})
	f.Add(uint8(16), "seed", []byte{0, 1, 2, 1, 3, 0, 2, 2})
	f.Fuzz(func(t *testing.T, shards uint8, seed string, steps []byte) {
		layout := Layout{uint32(shards)%16 + 1, seed}
		a := newAssignment(t, layout, nil)
		var live []string
		for _, b := range steps[:min(len(steps), 40)] {
			id := string([]byte{b % 8})
			if at := slices.Index(live, id); at >= 0 {
				a.Leave(id)
				live = slices.Delete(live, at, at+1)
			} else {
				a.Join(id, 1)
				live = append(live, id)
			}
		}
		checkAgrees(t, a, layout, live)
	})
}

// ids returns the node IDs in ascending order.
func (a *Assignment) ids() []string {
	ids := make([]string, len(a.nodes))
	for i, n := range a.nodes {
		ids[i] = n.id
	}
	return ids
}
