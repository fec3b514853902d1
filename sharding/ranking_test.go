package sharding_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"github.com/clstr-go/clstr/sharding"
)

// TestRanking: the order is that in which nodes come to own the shard as those
// before them leave, and the scores say why.
func TestRanking(t *testing.T) {
	for _, seed := range []string{"", "blue"} {
		layout := sharding.Layout{NumShards: 100, Seed: seed}
		made := func() *sharding.Assignment {
			a, err := sharding.NewAssignment(layout, nil)
			if err != nil {
				t.Fatal(err)
			}
			for i := range 7 {
				a.Join(fmt.Sprint("node-", i), []float64{1, 1, 1, 2.5, 0.25}[i%5])
			}
			return a
		}
		a := made()
		for shard := range layout.NumShards {
			ranking := a.Ranking(shard)
			if len(ranking) != 7 {
				t.Fatalf("shard %d: %v", shard, ranking)
			}
			if !slices.IsSortedFunc(ranking, func(a, b sharding.Candidate) int { return -cmp.Compare(a.Score, b.Score) }) || ranking[0].Score >= 1 || ranking[6].Score <= 0 {
				t.Errorf("seed %q, shard %d: the scores do not say why: %v", seed, shard, ranking)
			}
			for rest, i := made(), 0; i < len(ranking); i++ {
				if owner, _ := rest.Owner(shard); owner != ranking[i].NodeID {
					t.Errorf("seed %q, shard %d: when %v have left %s owns it", seed, shard, ranking[:i], owner)
				}
				rest.Leave(ranking[i].NodeID)
			}
		}
		if got := a.Ranking(layout.NumShards); got != nil {
			t.Errorf("no such shard: %v", got)
		}
	}
}
