// The records' names, as the core writes them on every line

package ownership

import (
	"time"

	"github.com/clstr-go/clstr/membership"
)

// What a core reads and writes is described in package membership.
type (
	Entry  = membership.Entry
	Ref    = membership.Ref
	Member = membership.Member
	Shard  = membership.Shard
	Config = membership.Config
	Timing = membership.Timing
)

const (
	Joining = membership.Joining
	Active  = membership.Active
	Leaving = membership.Leaving
	Left    = membership.Left
	Dead    = membership.Dead
	Lost    = "lost" // the node's store is gone; this stands in no record

	ConfigKey    = membership.ConfigKey
	MemberPrefix = membership.MemberPrefix
	ShardPrefix  = membership.ShardPrefix

	Claimed    = membership.Claimed
	HandedOver = membership.HandedOver
	Released   = membership.Released
	Healed     = membership.Healed

	MaxEpoch = membership.MaxEpoch
	MaxLease = membership.MaxLease
)

// TickEvery is how often a core wants to be told that time has passed.
const TickEvery = 250 * time.Millisecond

// retryAfter is how soon a failed renewal is tried again.
const retryAfter = 250 * time.Millisecond

var (
	MemberKey      = membership.MemberKey
	ShardKey       = membership.ShardKey
	ParseMemberKey = membership.ParseMemberKey
	ParseShardKey  = membership.ParseShardKey
	DecodeShard    = membership.DecodeShard
	NewConfig      = membership.NewConfig
	encode         = membership.Encode
)
