package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"math"
	"os"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/sharding"
)

var update = flag.Bool("update", false, "write testdata/records.txt anew")

// goldenRecords are records with all fields and with none. What stands in the
// file of a release must be readable by every later one, and what a release
// writes by every earlier one, so a change to it is a change of the protocol.
var goldenRecords = []struct {
	key    string
	record any
}{
	{ConfigKey, NewConfig(sharding.Layout{NumShards: 1024, Seed: "prod <é>"})},
	{ConfigKey, Config{}},
	{ConfigKey, Config{Version: 1, NumShards: 4, Hash: "h", Base: 1_700_000_000_000_000}},
	{ConfigKey, Config{Version: 1, NumShards: 4, Hash: "h", Base: 1_700_000_000_000_000, Cluster: "C4"}},
	{MemberKey(Ref{"node-1", "0123456789abcdef"}), Member{
		State: Active, Counter: 1 << 60, Born: 17, Seen: 18, LeaseMs: 10_000, Weight: 1.5, Zone: "eu-1a", Version: "v1.2.3",
		Layout: "00c0ffee00c0ffee", Kinds: []string{"account", "order"},
	}},
	{MemberKey(Ref{"10-0-0-7_4222", "0"}), Member{State: Joining, Counter: 1, LeaseMs: 6000, Layout: "1"}},
	{MemberKey(Ref{"N_1", "0"}), Member{State: Dead, Counter: 9, LeaseMs: 6000, By: Ref{"a-b", "ff"}}},
	{MemberKey(Ref{"-", "0"}), Member{State: Left}},
	{MemberKey(Ref{"n", "0"}), Member{State: Leaving}},
	{ShardKey(0), Shard{Owner: Ref{"10-0-0-7_4222", "ff"}, Epoch: 1, Count: 1, Why: Claimed}},
	{ShardKey(511), Shard{Owner: Ref{"b", "1"}, Epoch: 1_700_000_000_000_900, Base: 1_700_000_000_000_000, Count: 900, Why: HandedOver, From: Ref{"a-b", "0"}, PausedUs: 1500}},
	{ShardKey(511), Shard{Owner: Ref{"b", "1"}, Epoch: 2, Count: 2, Why: HandedOver, From: Ref{"a", "0"}, PausedUs: 1500,
		Cost: outcome.DrainCounts{Parked: 12, Dropped: 2, Lost: 1<<32 - 1}}},
	{ShardKey(512), Shard{Epoch: 3, Count: 3, Why: Released, From: Ref{"a", "0"}}},
	{ShardKey(math.MaxUint32), Shard{Owner: Ref{"b", "1"}, Epoch: 1000, Count: 1000, Why: Healed}},
}

func TestGoldenRecords(t *testing.T) {
	const path = "testdata/records.txt"
	var now bytes.Buffer
	for _, g := range goldenRecords {
		now.WriteString(g.key + " " + string(Encode(g.record)) + "\n")
	}
	if *update {
		if err := os.WriteFile(path, now.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(file, now.Bytes()) {
		t.Errorf("records have changed; those who run an earlier release must read them. Now:\n%s", &now)
	}
	lines := strings.Split(strings.TrimSuffix(string(file), "\n"), "\n")
	if len(lines) != len(goldenRecords) {
		t.Fatalf("%d lines, want %d", len(lines), len(goldenRecords))
	}
	for i, line := range lines {
		_, value, _ := strings.Cut(line, " ")
		var got any
		switch goldenRecords[i].record.(type) {
		case Config:
			got, err = Decode[Config]([]byte(value))
		case Member:
			got, err = Decode[Member]([]byte(value))
		case Shard:
			got, err = DecodeShard(membership.Entry{Rev: 1000, Value: []byte(value)})
		}
		if err != nil || !reflect.DeepEqual(got, goldenRecords[i].record) {
			t.Errorf("%s\nis read as %+v (%v)\nwant       %+v", line, got, err, goldenRecords[i].record)
		}
	}
}

// TestDecodeIgnoresWhatItDoesNotKnow: a later release may add fields, and states.
func TestDecodeIgnoresWhatItDoesNotKnow(t *testing.T) {
	m, err := Decode[Member]([]byte(`{"state":"cordoned","ctr":7,"new":{"a":[1]},"lease_ms":5,"layout":"x","by":""}`))
	if want := (Member{State: "cordoned", Counter: 7, LeaseMs: 5, Layout: "x"}); err != nil || !reflect.DeepEqual(m, want) {
		t.Errorf("%+v, %v", m, err)
	}
	s, err := DecodeShard(membership.Entry{Rev: 2, Value: []byte(`{"owner":"a.b.1","epoch":2,"why":"stolen","pinned":true}`)})
	if want := (Shard{Owner: Ref{"a.b", "1"}, Epoch: 2, Count: 2, Why: "stolen"}); err != nil || s != want {
		t.Errorf("%+v, %v", s, err)
	}
	c, err := Decode[Config]([]byte(`{"v":1,"shards":4,"seed":"","hash":"h","more":null}`))
	if want := (Config{Version: 1, NumShards: 4, Hash: "h"}); err != nil || c != want {
		t.Errorf("%+v, %v", c, err)
	}
}

// TestDecodeRefuses: and gives no part of what it could not read.
func TestDecodeRefuses(t *testing.T) {
	for _, value := range []string{
		"", "{", "[]", "7", `{"owner":"a.1","epoch":"2"}`, `{"owner":"a"}`, `{"owner":".1"}`, `{"owner":"a."}`, `{"owner":7}`,
		`{"owner":"a.1","epoch":-1}`, `{"owner":"a.1","epoch":18446744073709551616}`, `{"owner":"a.1"} {}`, "\xff",
		"null", "{}", `{"owner":"a.1","epoch":1}`, `{"epoch":1,"why":"claim"}`, // no node writes these
		`{"owner":"a.1","epoch":10,"why":"claim"}`, `{"owner":"a.1","epoch":1,"why":"claim","base":9007199254740992}`, `{"owner":"a.1","epoch":1,"why":"claim","base":9007199254740985}`,
	} {
		if s, err := DecodeShard(membership.Entry{Rev: 9, Value: []byte(value)}); err == nil || s != (Shard{}) {
			t.Errorf("%s: %+v, %v", value, s, err)
		}
	}
	if m, err := Decode[Member]([]byte(`{"state":"active","weight":1e999}`)); err == nil || m.State != "" {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestConfigCheck(t *testing.T) {
	have := NewConfig(sharding.Layout{NumShards: 32, Seed: "s"})
	if err := NewConfig(sharding.Layout{NumShards: 32, Seed: "s"}).Check(have); err != nil {
		t.Error(err)
	}
	for want, c := range map[string]Config{
		"NumShards 16, the cluster has 32":      NewConfig(sharding.Layout{NumShards: 16, Seed: "s"}),
		`Seed "", the cluster has "s"`:          NewConfig(sharding.Layout{NumShards: 32}),
		"record version 2, the cluster has 1":   {Version: 2, NumShards: 32, Seed: "s", Hash: have.Hash},
		`hash "x", the cluster has "blake2b-64`: {Version: 1, NumShards: 32, Seed: "s", Hash: "x"},
	} {
		if err := c.Check(have); !errors.Is(err, outcome.ErrLayoutMismatch) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestKeys(t *testing.T) {
	for _, key := range []string{
		"", "n.", "n.a", "n..1", "n.a.", "n.a b.1", "n.a.1.2", "n.a.*", "n.=.1", "n.=YQ.1", "n.=_x.1", "n.=!.1", "s.a.1", "n", "m.a.1", ".n.a.1",
	} {
		if ref, ok := ParseMemberKey(key); ok {
			t.Errorf("%q is the key of %v", key, ref)
		}
	}
	for _, key := range []string{"", "s.", "s.0", "s.0.", "s.0.512", "s.1.0", "s.0.00", "s.0.+1", "s.0.-1", "s.00.1", "s.0.4294967296", "n.0.1", "0.1", "1", "s.0.1 "} {
		if shard, ok := ParseShardKey(key); ok {
			t.Errorf("%q is the key of shard %d", key, shard)
		}
	}
}

// A name that would be read as another, or that no key can hold, is refused, and the
// error says what is allowed.
func TestCheckName(t *testing.T) {
	for _, name := range []string{"a", "node-1", "N_2", "-", "0", strings.Repeat("x", MaxName)} {
		if err := CheckName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"", "a.b", "a b", "10.0.0.7:4222", "узел", "a*", ">", "=", "a/b", "a\n", "\xff", strings.Repeat("x", MaxName+1)} {
		err := CheckName(name)
		if !errors.Is(err, outcome.ErrBadOption) || !strings.Contains(err.Error(), "letters, digits, - and _") || len(err.Error()) > 400 {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// FuzzMemberKey: any name that is allowed, and any key that was not made here.
func FuzzMemberKey(f *testing.F) {
	for _, s := range []string{"a", "a.b", "", "=", "=YQ", "\xff\x00", "узел", "a b*>", "n.a.1", "n.=0L7Quw.1", "n.=YR.1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if CheckName(s) == nil {
			ref := Ref{s, "1"}
			key := MemberKey(ref)
			if got, ok := ParseMemberKey(key); !ok || got != ref {
				t.Errorf("%q: %q is read as %v, %v", s, key, got, ok)
			}
			if tokens := strings.Split(key, "."); len(tokens) != 3 || strings.ContainsFunc(key, func(r rune) bool {
				return r <= ' ' || r > '~' || r == '*' || r == '>'
			}) {
				t.Errorf("%q: %q is no key of three tokens", s, key)
			}
			if utf8.ValidString(s) {
				if got, err := DecodeShard(membership.Entry{Rev: 1, Value: Encode(Shard{Owner: ref, Why: Claimed})}); err != nil || got.Owner != ref {
					t.Errorf("%q comes back from a record as %v, %v", s, got.Owner, err)
				}
			}
		}
		if ref, ok := ParseMemberKey(s); ok && MemberKey(ref) != s {
			t.Errorf("%q is read as %v, whose key is %q", s, ref, MemberKey(ref))
		}
	})
}

// FuzzShardKey is the same for shards.
func FuzzShardKey(f *testing.F) {
	for _, n := range []uint32{0, 1, 511, 512, math.MaxUint32} {
		f.Add(n, ShardKey(n)+"0")
	}
	f.Fuzz(func(t *testing.T, n uint32, s string) {
		if got, ok := ParseShardKey(ShardKey(n)); !ok || got != n {
			t.Errorf("%d: %q is read as %d, %v", n, ShardKey(n), got, ok)
		}
		if got, ok := ParseShardKey(s); ok && ShardKey(got) != s {
			t.Errorf("%q is read as %d, whose key is %q", s, got, ShardKey(got))
		}
	})
}

// FuzzDecode: whatever stands in a store, it is read or refused, and what is read
// can be written.
func FuzzDecode(f *testing.F) {
	for _, g := range goldenRecords {
		f.Add(Encode(g.record))
	}
	f.Add([]byte("null"))
	f.Add([]byte(`{"owner":"a.1","epoch":18446744073709551615,"lease_ms":9223372036854775807,"state":"active","weight":1e300}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		again[Member](t, value)
		if s, err := DecodeShard(membership.Entry{Rev: 1 << 52, Value: value}); err == nil {
			if got, err := DecodeShard(membership.Entry{Rev: 1 << 52, Value: Encode(s)}); err != nil || got != s {
				t.Errorf("%q: %+v, then %+v, %v", value, s, got, err)
			}
		}
		again[Config](t, value)
	})
}

func again[R Member | Config](t *testing.T, value []byte) {
	r, err := Decode[R](value)
	if err != nil {
		return
	}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatalf("%q is read as %+v, which cannot be written: %v", value, r, err)
	}
	if got, err := Decode[R](b); err != nil || !bytes.Equal(Encode(got), b) {
		t.Errorf("%q: %s, then %+v, %v", value, b, got, err)
	}
}
