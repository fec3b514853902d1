package sharding

import (
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"testing"
)

// golden is what testdata/golden.py computes without this package.
//
//go:embed testdata/golden.json
var golden []byte

// raw is a byte string that golden.json holds as hex.
type raw string

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *raw) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	*r = raw(b)
	return err
}

type goldenFile struct {
	Counts []uint32
	Keys   []struct {
		Key, Seed raw
		Shards    []uint32 // by Counts
	}
	Nodes []struct {
		Nodes  []raw
		Seed   raw
		Owners []raw // by shard
	}
	Fingerprints []struct {
		Count       uint32
		Seed        raw
		Fingerprint string
	}
}

func readGolden(t testing.TB) *goldenFile {
	t.Helper()
	g := new(goldenFile)
	if err := json.Unmarshal(golden, g); err != nil {
		t.Fatal(err)
	}
	if len(g.Counts) == 0 || len(g.Keys) < 100 || len(g.Nodes) < 10 || len(g.Fingerprints) < 10 {
		t.Fatalf("golden.json is not whole: %d counts, %d keys, %d node sets, %d fingerprints",
			len(g.Counts), len(g.Keys), len(g.Nodes), len(g.Fingerprints))
	}
	return g
}

func TestGoldenKeys(t *testing.T) {
	g := readGolden(t)
	seen := map[string]bool{}
	for _, k := range g.Keys {
		if len(k.Shards) != len(g.Counts) {
			t.Fatalf("key %q: %d shards for %d counts", k.Key, len(k.Shards), len(g.Counts))
		}
		for i, count := range g.Counts {
			if got := ShardFromString(string(k.Key), count, string(k.Seed)); got != k.Shards[i] {
				t.Errorf("key %q, seed %q, %d shards: shard %d, want %d", k.Key, k.Seed, count, got, k.Shards[i])
			}
			if got := (Layout{count, string(k.Seed)}).Shard(string(k.Key)); got != k.Shards[i] {
				t.Errorf("key %q, seed %q, %d shards: the layout says %d, want %d", k.Key, k.Seed, count, got, k.Shards[i])
			}
		}
		seen["seed "+strconv.FormatBool(k.Seed != "")] = true
		seen["key "+strconv.FormatBool(k.Key != "")] = true
	}
	for _, what := range []string{"seed false", "seed true", "key false", "key true"} {
		if !seen[what] {
			t.Errorf("no vector for %s", what)
		}
	}
}

func TestGoldenOwners(t *testing.T) {
	for _, set := range readGolden(t).Nodes {
		ids := make([]string, len(set.Nodes))
		for i, id := range set.Nodes {
			ids[i] = string(id)
		}
		count := uint32(len(set.Owners))
		owners := map[uint32]string{}
		for _, id := range sortedSet(ids) {
			for _, shard := range ShardsForNode(id, ids, count, string(set.Seed)) {
				if other, taken := owners[shard]; taken {
					t.Errorf("shard %d belongs to %q and %q", shard, other, id)
				}
				owners[shard] = id
			}
		}
		for shard, want := range set.Owners {
			if owners[uint32(shard)] != string(want) {
				t.Errorf("nodes %q, seed %q: shard %d belongs to %q, want %q", ids, set.Seed, shard, owners[uint32(shard)], want)
			}
		}
	}
}

func TestGoldenFingerprints(t *testing.T) {
	distinct := map[string]bool{}
	g := readGolden(t)
	for _, f := range g.Fingerprints {
		layout := Layout{f.Count, string(f.Seed)}
		got := strconv.FormatUint(layout.Fingerprint(), 16)
		for len(got) < 16 {
			got = "0" + got
		}
		if got != f.Fingerprint {
			t.Errorf("%d shards, seed %q: fingerprint %s, want %s", f.Count, f.Seed, got, f.Fingerprint)
		}
		distinct[got] = true
	}
	if len(distinct) != len(g.Fingerprints) {
		t.Errorf("%d layouts have %d fingerprints", len(g.Fingerprints), len(distinct))
	}
}
