package sharding

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"testing"
)

// node is a node of these tests: its ID and its weight.
type node struct {
	id     string
	weight float64
}

func joinAll(t testing.TB, layout Layout, nodes []node) *Assignment {
	t.Helper()
	a := newAssignment(t, layout, nil)
	for _, n := range nodes {
		a.Join(n.id, n.weight)
	}
	return a
}

// byDefinition computes the owners from the definition: the highest
// -weight/ln(score), then score, then the first by ID.
func byDefinition(layout Layout, nodes []node) []string {
	h := hashers.Get().(*hasher)
	defer h.release()
	all := make([]string, layout.NumShards)
	for shard := range all {
		var bestScore uint64
		best := node{}
		for _, n := range nodes {
			score := h.score(uint32(shard), n.id, layout.Seed)
			order := 1
			if best.id != "" {
				order = cmp.Or(cmp.Compare(share(score, n.weight), share(bestScore, best.weight)), cmp.Compare(score, bestScore), cmp.Compare(best.id, n.id))
			}
			if order > 0 {
				best, bestScore = n, score
			}
		}
		all[shard] = best.id
	}
	return all
}

// TestEqualWeightsShareAsBefore: whatever the weight is, if all have it.
func TestEqualWeightsShareAsBefore(t *testing.T) {
	layout := Layout{NumShards: 256, Seed: "s"}
	for _, weight := range []float64{1, 0.001, 7.5, 1e6, math.SmallestNonzeroFloat64, math.MaxFloat64} {
		var nodes []node
		for _, id := range nodeIDs(9) {
			nodes = append(nodes, node{id, weight})
		}
		checkAgrees(t, joinAll(t, layout, nodes), layout, nodeIDs(9))
	}
}

// TestPartsFollowWeights: six standard deviations on either side.
func TestPartsFollowWeights(t *testing.T) {
	const shards = 1 << 14
	for _, weights := range [][]float64{{1, 2}, {1, 1, 1, 0.5}, {1, 2, 3, 4, 5}, {0.1, 10}, {1, 1, 100}} {
		var nodes []node
		total := 0.0
		for i, w := range weights {
			nodes = append(nodes, node{fmt.Sprint("node-", i), w})
			total += w
		}
		a := joinAll(t, Layout{NumShards: shards}, nodes)
		for _, n := range nodes {
			p := n.weight / total
			got, want := float64(len(a.Shards(n.id))), shards*p
			if math.Abs(got-want) > 6*math.Sqrt(shards*p*(1-p)) {
				t.Errorf("of weights %v, %v has %v shards, want about %.0f", weights, n.weight, got, want)
			}
		}
	}
}

// TestWeightedMovesAreMinimal: shards move only to the node that joins and only
// from the one that leaves, whatever the order, and the result is what the
// definition says.
func TestWeightedMovesAreMinimal(t *testing.T) {
	rng := newRand(t)
	pool := append(nodeIDs(12), "\x00", "\xff", "a b", "узел")
	weights := []float64{1, 1, 2, 0.5, 1e6, 1e-300, 1e300}
	for _, layout := range []Layout{{1, ""}, {7, "seed"}, {200, ""}} {
		var live []node
		a := newAssignment(t, layout, nil)
		for range 100 {
			before := owners(a, layout)
			id := pool[rng.IntN(len(pool))]
			at := slices.IndexFunc(live, func(n node) bool { return n.id == id })
			var moves []Move
			if at < 0 {
				n := node{id, weights[rng.IntN(len(weights))]}
				moves, live = a.Join(n.id, n.weight), append(live, n)
			} else {
				moves, live = a.Leave(id), slices.Delete(live, at, at+1)
			}
			after := owners(a, layout)
			checkMoves(t, moves, id, at < 0, before, after)
			if want := byDefinition(layout, live); !slices.Equal(after, want) {
				t.Fatalf("among %v: owners %q, want %q", live, after, want)
			}
		}
	}
}

// TestRefusedWeights change nothing.
func TestRefusedWeights(t *testing.T) {
	layout := Layout{NumShards: 16}
	a := newAssignment(t, layout, []string{"a"})
	for _, weight := range []float64{0, math.Copysign(0, -1), -1, math.NaN(), math.Inf(1), math.Inf(-1)} {
		if moves := a.Join("b", weight); moves != nil {
			t.Errorf("weight %v moves %v", weight, moves)
		}
	}
	if a.Join("", 2) != nil || a.Join("a", 2) != nil {
		t.Error("a node without an ID, or one that is there already, has joined")
	}
	checkAgrees(t, a, layout, []string{"a"})
}

// TestOrderIsTotal: of any two nodes exactly one comes before the other, and of
// three never each before the next, also where their shares are equal numbers.
func TestOrderIsTotal(t *testing.T) {
	// Shares are equal for scores that differ in their last 11 bits, and for
	// weights so large or so small that all are infinite or zero.
	scores := []uint64{0, 1, 2047, 2048, 1 << 62, 1<<62 + 1, 1<<63 - 1, 1 << 63, 1<<63 + 2047, math.MaxUint64 - 4096, math.MaxUint64 - 2048, math.MaxUint64}
	weights := []float64{1, 2, 0.5, 3, math.SmallestNonzeroFloat64, 2 * math.SmallestNonzeroFloat64, math.MaxFloat64, math.MaxFloat64 / 2}
	var all []member
	for i, score := range scores {
		for j, weight := range weights {
			for _, id := range []string{"a", "b"} {
				all = append(all, member{id: fmt.Sprint(id, i, j), weight: weight, scores: []uint64{score}})
			}
		}
	}
	before := func(i, j int) bool { return all[i].beats(&all[j], 0) }
	for i := range all {
		if before(i, i) {
			t.Fatalf("%+v comes before itself", all[i])
		}
		for j := range i {
			if before(i, j) == before(j, i) {
				t.Fatalf("%+v and %+v: %v and %v", all[i], all[j], before(i, j), before(j, i))
			}
			for k := range all {
				if before(i, j) && before(j, k) && before(k, i) || before(j, i) && before(k, j) && before(i, k) {
					t.Fatalf("%+v, %+v and %+v come before each other", all[i], all[j], all[k])
				}
			}
		}
	}
}

// TestShareGrowsWithScore: or the two orders of beats would not agree.
func TestShareGrowsWithScore(t *testing.T) {
	rng := newRand(t)
	for range 200_000 {
		s := rng.Uint64() >> rng.IntN(60)
		if a, b := share(s, 1), share(s+min(4096, math.MaxUint64-s), 1); a > b || !(a > 0) {
			t.Fatalf("score %d has the share %v, the next one %v", s, a, b)
		}
	}
}

// FuzzWeightedAssignment reads joins with weights, and leaves, from bytes: the
// order in which nodes came does not matter.
func FuzzWeightedAssignment(f *testing.F) {
	f.Add(uint8(1), "", []byte{0})
	f.Add(uint8(16), "seed", []byte{0, 9, 18, 1, 35, 0, 2, 250, 63})
	f.Fuzz(func(t *testing.T, shards uint8, seed string, steps []byte) {
		layout := Layout{uint32(shards)%16 + 1, seed}
		a := newAssignment(t, layout, nil)
		var live []node
		for _, b := range steps[:min(len(steps), 40)] {
			id, weight := string([]byte{b % 8}), math.Ldexp(1, int(b/8)-16)
			before := owners(a, layout)
			at := slices.IndexFunc(live, func(n node) bool { return n.id == id })
			var moves []Move
			if at >= 0 {
				moves, live = a.Leave(id), slices.Delete(live, at, at+1)
			} else {
				moves, live = a.Join(id, weight), append(live, node{id, weight})
			}
			checkMoves(t, moves, id, at < 0, before, owners(a, layout))
		}
		want := byDefinition(layout, live)
		if got := owners(a, layout); !slices.Equal(got, want) {
			t.Fatalf("among %v: owners %q, want %q", live, got, want)
		}
		slices.Reverse(live)
		if got := owners(joinAll(t, layout, live), layout); !slices.Equal(got, want) {
			t.Fatalf("in another order: owners %q, want %q", got, want)
		}
	})
}
