package ownership

import (
	"errors"
	"math"
	"testing"

	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership"

	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/sharding"
)

// TestSelfIsRefused: what could not come back from a record as it went in.
func TestSelfIsRefused(t *testing.T) {
	ok := Self{Ref: record.Ref{Name: "node-1", Incarnation: "0aB-_"}, Layout: sharding.Layout{NumShards: 4, Seed: "é"}}
	if err := ok.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Self){
		"no name":                  func(s *Self) { s.Name = "" },
		"no incarnation":           func(s *Self) { s.Incarnation = "" },
		"a dotted name":            func(s *Self) { s.Name = "a.b" },
		"a seed that is not UTF-8": func(s *Self) { s.Layout.Seed = "\xff" },
		"a dotted incarnation":     func(s *Self) { s.Incarnation = "1.2" },
		"a wildcard":               func(s *Self) { s.Incarnation = ">" },
		"no shards":                func(s *Self) { s.Layout.NumShards = 0 },
		"a negative weight":        func(s *Self) { s.Weight = -1 },
		"a giant's weight":         func(s *Self) { s.Weight = 2e6 },
		"no number for a weight":   func(s *Self) { s.Weight = math.NaN() },
		"an infinite weight":       func(s *Self) { s.Weight = math.Inf(1) },
		"a lease of nothing":       func(s *Self) { s.Timing.Lease = 1 },
	} {
		s := ok
		change(&s)
		if err := s.Validate(); !errors.Is(err, outcome.ErrBadOption) {
			t.Errorf("%s: %v", name, err)
		}
		if c, err := NewCore(s); err == nil || c != nil {
			t.Errorf("%s: a core is made", name)
		}
	}
}

// FuzzRecords: whatever stands in a store, a core goes on.
func FuzzRecords(f *testing.F) {
	f.Add([]byte("null"))
	f.Add([]byte(`{"owner":"a.1","epoch":18446744073709551615,"lease_ms":9223372036854775807,"state":"active","weight":1e300}`))
	f.Add(record.Encode(record.NewConfig(sharding.Layout{NumShards: 4})))
	f.Add(record.Encode(record.Member{State: record.Leaving, LeaseMs: 10_000, Leaves: 3}))
	f.Add(record.Encode(record.Shard{Owner: refB, Count: 2, Why: record.HandedOver, From: refA}))
	f.Fuzz(func(t *testing.T, value []byte) {
		c, err := NewCore(Self{Ref: refA, Layout: layoutOfScripts})
		if err != nil {
			t.Fatal(err)
		}
		c.Step(1, Tick{})
		c.Step(2, Result{Op: 1, Rev: 1})
		c.Step(3, Seen{[]membership.Entry{{Key: record.MemberKey(refB), Rev: 5, Value: value}, {Key: record.ShardKey(1), Rev: 6, Value: value}, {Key: record.MemberKey(refA), Rev: 7, Value: value}}})
		c.Step(4, Tick{})
	})
}
