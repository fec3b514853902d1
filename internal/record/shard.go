// The records of shards, and of the cluster's configuration

package record

import (
	"encoding/json"
	"fmt"

	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/sharding"
)

// How a shard came to its owner.
const (
	Claimed    = "claim"   // the owner claimed it: it had none, or the one before had died or left
	HandedOver = "handoff" // the owner before handed it over
	Released   = "release" // it has no owner
	Healed     = "heal"    // the record before was removed, or was not readable
)

// MaxEpoch is above every epoch, so that epochs fit into the numbers of JSON.
const MaxEpoch = 1 << 53

// Shard is the record of a shard: the node that may serve it. Read it with
// [DecodeShard].
type Shard struct {
	Owner Ref `json:"owner,omitzero"`
	// Epoch grows with each owner, and no epoch is used twice. It is Base plus Count,
	// and is not in the record.
	Epoch uint64 `json:"-"`
	// Base is the configuration's base when the record was written.
	Base uint64 `json:"base,omitempty"`
	// Count grows by one with each owner, so it never exceeds the record's revision. If
	// the owners before are not known, the record says 0 and its own revision counts,
	// which is above all counts before.
	Count uint64 `json:"epoch"`
	Why   string `json:"why"`
	From  Ref    `json:"from,omitzero"`
	// PausedUs is how long the owner before had not served the shard when it wrote this
	// record, in microseconds.
	PausedUs int64 `json:"paused_us,omitempty"`
	// Cost counts the calls that the hand-over cut off or turned away.
	Cost outcome.DrainCounts `json:"cost,omitzero"`
}

// DecodeShard reads a version of a shard's record. It returns an error for a record
// that no node has written.
func DecodeShard(e membership.Entry) (Shard, error) {
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

// At returns the record with its epoch, given the revision of its version.
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
	// Base is below every epoch of this store, and above the epochs of stores before it
	// that were lost: the moment at which the store was made, in microseconds since
	// 1970.
	Base uint64 `json:"base,omitempty"`
	// Cluster is the identity of the cluster: drawn when it is founded, and kept from then
	// on. A store of state belongs to one identity. Empty in a store that is gone with its
	// process.
	Cluster string `json:"cluster,omitempty"`
}

// NewConfig returns the record of a cluster with the given layout.
func NewConfig(l sharding.Layout) Config {
	return Config{Version: 1, NumShards: l.NumShards, Seed: l.Seed, Hash: "blake2b-64 rendezvous"}
}

// Check compares the configuration that a node wants (c) with the one that the cluster
// has. Base and Cluster may differ. The error is outcome.ErrLayoutMismatch and names the
// difference.
func (c Config) Check(have Config) error {
	have.Base, have.Cluster = c.Base, c.Cluster
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
