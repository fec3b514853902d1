// The records of shards, and of the cluster's configuration

package membership

import (
	"encoding/json"
	"fmt"

	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/sharding"
)

// Why a shard has the owner that it has.
const (
	Claimed    = "claim"   // from nobody, or from a node that is dead or has left
	HandedOver = "handoff" // by the owner before
	Released   = "release" // it has none
	Healed     = "heal"    // the record before was removed, or not readable
)

// MaxEpoch is above every epoch: all fit the numbers of JSON.
const MaxEpoch = 1 << 53

// Shard is the record of a shard: who may serve it. [DecodeShard] reads it.
type Shard struct {
	Owner Ref `json:"owner,omitzero"`
	// Epoch grows with each owner, and no two have the same: Base and Count
	// together. It is not in the record.
	Epoch uint64 `json:"-"`
	// Base is that of the cluster's configuration when the record was written.
	Base uint64 `json:"base,omitempty"`
	// Count grows by one with each owner, and so never exceeds the revision. Where
	// nothing is known of the owners before, the record says 0, and its own
	// revision counts: that is above all before.
	Count uint64 `json:"epoch"`
	Why   string `json:"why"`
	From  Ref    `json:"from,omitzero"`
	// PausedUs is for how long the owner before had not served it when it wrote
	// this, in microseconds.
	PausedUs int64 `json:"paused_us,omitempty"`
	// Cost is which of its calls that has cost something.
	Cost outcome.DrainCounts `json:"cost,omitzero"`
}

// DecodeShard reads a version of a shard's record. It returns an error for one that
// no node has written.
func DecodeShard(e Entry) (Shard, error) {
	var s Shard
	if err := json.Unmarshal(e.Value, &s); err != nil {
		return Shard{}, err // not a part of it
	}
	if s.Why == "" || s.Owner.IsZero() && s.Why != Released {
		return Shard{}, fmt.Errorf("%.100q names no owner, or not why", e.Value)
	}
	if s.Count > e.Rev || s.Base >= MaxEpoch || e.Rev >= MaxEpoch-s.Base {
		return Shard{}, fmt.Errorf("epoch %d above the base %d, in revision %d", s.Count, s.Base, e.Rev)
	}
	return s.At(e.Rev), nil
}

// At returns the record with its epoch, as it is in the version with a revision.
func (s Shard) At(rev uint64) Shard {
	if s.Count == 0 {
		s.Count = rev
	}
	s.Epoch = s.Base + s.Count
	return s
}

// Config is the record that all nodes of a cluster agree on.
type Config struct {
	Version   int    `json:"v"`
	NumShards uint32 `json:"shards"`
	Seed      string `json:"seed"`
	Hash      string `json:"hash"`
	// Base is below every epoch of this store, and above those of stores before it
	// that were lost: when the store was made, in microseconds since 1970.
	Base uint64 `json:"base,omitempty"`
}

// NewConfig returns the record of a cluster with the given layout.
func NewConfig(l sharding.Layout) Config {
	return Config{Version: 1, NumShards: l.NumShards, Seed: l.Seed, Hash: "blake2b-64 rendezvous"}
}

// Check compares what a node wants with what the cluster has; Base may differ. The
// error is outcome.ErrLayoutMismatch and names the difference.
func (c Config) Check(have Config) error {
	have.Base = c.Base
	switch {
	case c == have:
		return nil
	case c.Version != have.Version:
		return outcome.Errorf(outcome.ErrLayoutMismatch, "record version %d, the cluster has %d", c.Version, have.Version)
	case c.NumShards != have.NumShards:
		return outcome.Errorf(outcome.ErrLayoutMismatch, "NumShards %d, the cluster has %d", c.NumShards, have.NumShards)
	case c.Seed != have.Seed:
		return outcome.Errorf(outcome.ErrLayoutMismatch, "Seed %q, the cluster has %q", c.Seed, have.Seed)
	}
	return outcome.Errorf(outcome.ErrLayoutMismatch, "hash %q, the cluster has %q", c.Hash, have.Hash)
}
