package sharding

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestNoShards(t *testing.T) {
	if got := ShardFromString("a", 0, "seed"); got != 0 {
		t.Errorf("got %d, want 0", got)
	}
	if got := ShardsForNode("a", []string{"a"}, 0, ""); len(got) != 0 {
		t.Errorf("got %v, want none", got)
	}
}

func TestUnlistedNodeOwnsNothing(t *testing.T) {
	for _, nodes := range [][]string{nil, {}, {"a"}, {"a", "c"}} {
		if got := ShardsForNode("b", nodes, 16, ""); got != nil {
			t.Errorf("among %q: got %v, want nil", nodes, got)
		}
	}
}

func TestLayoutValidate(t *testing.T) {
	for count, ok := range map[uint32]bool{0: false, 1: true, MaxShards: true, MaxShards + 1: false, math.MaxUint32: false} {
		err := Layout{NumShards: count}.Validate()
		if (err == nil) != ok {
			t.Errorf("%d shards: %v", count, err)
		}
		if err != nil && !strings.Contains(err.Error(), fmt.Sprintf("%d shards: 1 to 1048576 allowed", count)) {
			t.Errorf("%d shards: %q does not say what is allowed", count, err)
		}
	}
}

// TestSeedsSeparate: another seed is another mapping.
func TestSeedsSeparate(t *testing.T) {
	const keys, shards = 10_000, 64
	same := 0
	for i := range keys {
		key := fmt.Sprint("key-", i)
		if ShardFromString(key, shards, "a") == ShardFromString(key, shards, "b") {
			same++
		}
	}
	if want := keys / shards; same < want/2 || same > want*2 {
		t.Errorf("%d of %d keys have the same shard under two seeds, want about %d", same, keys, want)
	}
}

// TestKeysSpread: six standard deviations on either side of the mean.
func TestKeysSpread(t *testing.T) {
	const keys, shards = 100_000, 64
	var count [shards]float64
	for i := range keys {
		count[ShardFromString(fmt.Sprint("user-", i), shards, "")]++
	}
	mean := float64(keys) / shards
	for shard, n := range count {
		if math.Abs(n-mean) > 6*math.Sqrt(mean) {
			t.Errorf("shard %d has %v keys, want about %v", shard, n, mean)
		}
	}
}

func TestNodeOrderDoesNotMatter(t *testing.T) {
	rng := newRand(t)
	ids := nodeIDs(9)
	want := map[string][]uint32{}
	for _, id := range ids {
		want[id] = ShardsForNode(id, ids, 128, "seed")
		if !slices.IsSorted(want[id]) {
			t.Errorf("%s: %v is not in order", id, want[id])
		}
	}
	for range 20 {
		shuffled := append(slices.Clone(ids), ids[rng.IntN(len(ids))]) // one is listed twice
		rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		before := slices.Clone(shuffled)
		for _, id := range ids {
			if got := ShardsForNode(id, shuffled, 128, "seed"); !slices.Equal(got, want[id]) {
				t.Fatalf("%s among %q: %v, want %v", id, shuffled, got, want[id])
			}
		}
		if !slices.Equal(shuffled, before) {
			t.Fatal("the caller's list was changed")
		}
	}
}

// TestConcurrentUse shares the reused states among goroutines: for the race
// detector, and for answers that are mixed up.
func TestConcurrentUse(t *testing.T) {
	g := readGolden(t)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range g.Keys {
				k := g.Keys[(i+w*17)%len(g.Keys)]
				for c, count := range g.Counts {
					if got := ShardFromString(string(k.Key), count, string(k.Seed)); got != k.Shards[c] {
						t.Errorf("key %q: shard %d, want %d", k.Key, got, k.Shards[c])
						return
					}
				}
			}
		})
	}
	wg.Wait()
}

func FuzzShardFromString(f *testing.F) {
	f.Add("", uint32(1), "")
	f.Add("user-123", uint32(256), "prod")
	f.Add("\xff\x00", uint32(MaxShards), "a\x00b")
	f.Add(strings.Repeat("k", 1<<10), uint32(3), strings.Repeat("s", 300))
	f.Fuzz(func(t *testing.T, key string, shards uint32, seed string) {
		got := ShardFromString(key, shards, seed)
		if shards == 0 {
			if got != 0 {
				t.Fatalf("shard %d of none", got)
			}
			return
		}
		if got >= shards {
			t.Fatalf("shard %d of %d", got, shards)
		}
		if again := ShardFromString(key, shards, seed); again != got {
			t.Fatalf("shard %d, then %d", got, again)
		}
		if seed != "" && got != ShardFromString(seed+"\x00"+key, shards, "") {
			t.Fatal("the seed is not a prefix with a zero byte behind it")
		}
	})
}
