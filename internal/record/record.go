// The records and their keys

package record

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/clstr-go/clstr/membership"
)

// Ref identifies one life of a node: the node's name, and the incarnation that its
// process draws when it starts.
type Ref struct{ Name, Incarnation string }

// IsZero reports whether r identifies no node.
func (r Ref) IsZero() bool { return r == Ref{} }

// String returns the form that stands in records: name, dot, incarnation.
func (r Ref) String() string {
	if r.IsZero() {
		return ""
	}
	return r.Name + "." + r.Incarnation
}

// AddressSize is how many characters of an incarnation are the address of the node's transport, if
// the transport has one. The others are drawn for each life.
const AddressSize = 16

// Address returns where requests reach the node, on a transport with addresses.
func (r Ref) Address() string { return r.Incarnation[:min(AddressSize, len(r.Incarnation))] }

// MarshalText implements encoding.TextMarshaler.
func (r Ref) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *Ref) UnmarshalText(b []byte) error {
	*r = Ref{}
	if len(b) == 0 {
		return nil
	}
	s := string(b)
	dot := strings.LastIndexByte(s, '.')
	if dot <= 0 || dot == len(s)-1 {
		return fmt.Errorf("%q names no node: want name.incarnation", s)
	}
	*r = Ref{s[:dot], s[dot+1:]}
	return nil
}

// The states of a member. A node starts as joining; dead and left are final for
// its incarnation.
const (
	Joining = "joining"
	Active  = "active"
	Leaving = "leaving" // serves what it has not yet handed over
	Left    = "left"
	Dead    = "dead" // another node, named in By, has declared it so
)

// Member is the record of one life of a node.
type Member struct {
	State string `json:"state"`
	// Counter grows by one with each renewal.
	Counter uint64 `json:"ctr"`
	// Born is the revision at which the record was made; 0 in its first version.
	Born uint64 `json:"born,omitempty"`
	// Seen is the revision up to which the node has seen the records of all shards. It
	// serves no shard that was not its own at that revision.
	Seen uint64 `json:"seen,omitempty"`
	// Leaves is the revision at which the node first said that it leaves. It is 0 in
	// that version.
	Leaves uint64 `json:"leaves,omitempty"`
	// LeaseMs is the length of the node's lease.
	LeaseMs int64 `json:"lease_ms"`
	// Weight is the node's share of the shards relative to other nodes. 0 means 1.
	Weight  float64 `json:"weight,omitempty"`
	Zone    string  `json:"zone,omitempty"`
	Version string  `json:"version,omitempty"`
	// Layout is the fingerprint of the layout, in hexadecimal.
	Layout string   `json:"layout"`
	Kinds  []string `json:"kinds,omitempty"`
	// Process is the node's process, for the next one on the same machine.
	Process Process `json:"proc,omitzero"`
	// By is the node that declared this one dead.
	By Ref `json:"by,omitzero"`
}

// Lease returns the length of the node's lease. If the record says more than
// [membership.MaxLease], or something that is no length, it is membership.MaxLease.
func (m Member) Lease() time.Duration {
	if m.LeaseMs <= 0 || m.LeaseMs > membership.MaxLease.Milliseconds() {
		return membership.MaxLease
	}
	return time.Duration(m.LeaseMs) * time.Millisecond
}

// Final reports whether the node has left or died. Both are final.
func (m Member) Final() bool { return m.State == Dead || m.State == Left }

// The keys of records. The part before the first dot says what a record is.
const (
	ConfigKey    = "cfg"
	MemberPrefix = "n."
	ShardPrefix  = "s."
)

// ShardBlock is how many shards share a block, the second token of their keys. A store
// that can answer with only so many records at once reads them block by block.
const ShardBlock = 512

// MemberKey returns the key of a member's record. The name must pass [CheckName].
func MemberKey(r Ref) string { return MemberPrefix + r.String() }

// ShardKey returns the key of a shard's record.
func ShardKey(shard uint32) string {
	return ShardPrefix + strconv.FormatUint(uint64(shard/ShardBlock), 10) + "." + strconv.FormatUint(uint64(shard), 10)
}

// ParseMemberKey is the inverse of [MemberKey].
func ParseMemberKey(key string) (Ref, bool) {
	rest, ok := strings.CutPrefix(key, MemberPrefix)
	name, inc, _ := strings.Cut(rest, ".")
	if !ok || !plain(name) || !plain(inc) {
		return Ref{}, false
	}
	return Ref{name, inc}, true
}

// ParseShardKey is the inverse of [ShardKey].
func ParseShardKey(key string) (uint32, bool) {
	n, err := strconv.ParseUint(key[strings.LastIndexByte(key, '.')+1:], 10, 32)
	if err != nil || ShardKey(uint32(n)) != key {
		return 0, false
	}
	return uint32(n), true
}

// plain reports whether s can be a token of a key.
func plain(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
}

// Encode returns the bytes of a [Member], a [Shard] or a [Config].
func Encode(record any) []byte {
	b, err := json.Marshal(record)
	if err != nil {
		panic(fmt.Sprintf("record: a value does not marshal: %v", err)) // structs of strings and numbers do
	}
	return b
}

// Decode reads a record. It ignores unknown fields, which newer nodes write. It returns
// an error for a member's record that no node has written.
func Decode[R Member | Config](value []byte) (R, error) {
	var r R
	if err := json.Unmarshal(value, &r); err != nil {
		return *new(R), err // not a part of it
	}
	if m, ok := any(r).(Member); ok && m.State == "" {
		return *new(R), fmt.Errorf("%.100q names no state", value)
	}
	return r, nil
}
