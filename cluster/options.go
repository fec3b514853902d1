// NodeOptions, defaults and checks

package cluster

import (
	"context"
	"log/slog"
	"maps"
	"math"
	"reflect"
	"slices"
	"time"

	"github.com/clstr-go/clstr/internal/coordinator"
	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/hosting"
	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/sharding"
	"github.com/clstr-go/clstr/state"
)

// NodeOptions configures node creation.
type NodeOptions struct {
	// Log is the logger of the node. The node writes each message a few times a second at
	// most, and then how many lines it has left out. Everything that entities log is
	// written. nil = slog.Default().
	Log *slog.Logger
	// NodeID identifies this node: 1 to 255 letters, digits, - and _. Dots are not
	// allowed, because records and commands write one life of a node as
	// name.incarnation. Give each process a name that stays the same from start to start. If it was
	// killed, the next process of that name on the same machine (Linux) takes its shards over at
	// once. Under another name the shards wait until the lease of the dead process has ended. Empty = a
	// random name.
	NodeID string
	// Transport is the server transport for receiving messages (required).
	Transport ServerTransport
	// Shards is the list of shards that this node owns; [ShardsForNode] computes it. A
	// node without shards serves nothing and logs a warning: its NodeID may not be
	// among those that the shards were assigned to. The lists of two nodes must not
	// overlap, because a key could then live twice. A node warns if another node on the
	// same transport value serves one of its shards. Over NATS it also warns if it hears of such a
	// node in another process.
	Shards []uint32
	// Handler processes the messages to owned shards. Required, unless there are Kinds.
	Handler ServerHandlerFunc
	// Kinds are the handlers of messages to a kind ([Client.Kind]), by the kind's name.
	Kinds map[string]ServerHandlerFunc
	// BaseContext gives its values to the contexts of handlers and hooks, and nothing
	// else. nil = none.
	BaseContext context.Context
	// Around runs around each message that a handler of this node handles, whatever
	// its kind. A handler's own Around runs inside it. [Chain] makes one func of
	// several. It may be nil.
	Around Around
	// Metrics instruments the node. If nil, nothing is measured. If it implements
	// [EntityMetrics], it hears of keys too; [ShardMetrics], of shards that move.
	Metrics ClusterMetrics

	// NumShards and Seed are the cluster's, as in [ClientOptions]. A node that knows them
	// refuses callers that hash differently ([ErrLayoutMismatch]). With NumShards 0 and a
	// list of shards, the node learns both from the first message by key, or from another
	// node on its transport, and logs a warning. From then on it refuses callers that differ. Set
	// both, because a node in another process may hear a different caller first. With NumShards 0
	// and a Membership, the node takes both from the cluster's records; the first node of a
	// cluster writes [DefaultNumShards]. Seed without NumShards is refused.
	NumShards uint32
	Seed      string
	// StopTimeout bounds the wait for stop hooks and for the hand-over of shards when
	// the node ends. 0 = 30 s. With a list of shards, stop hooks begin when all
	// handlers have returned. In shards where no handler runs they begin after half of
	// StopTimeout at the latest. If all nodes of a live cluster end at the same moment,
	// the last one waits for the others within StopTimeout: for StopTimeout less
	// DrainTimeout, and for half of StopTimeout at least.
	StopTimeout time.Duration
	// MaxInFlight bounds the messages, of all shards together, that the node has
	// accepted and not finished. More are refused with [ErrOverloaded] at once. A
	// message does not count while its handler waits for a request of its own, made
	// with its context. 0 = default (65,536), -1 = unlimited.
	MaxInFlight int

	// MaxInFlightBytes bounds the bytes (payload, key and headers) of the messages, of
	// all shards together, that the node has accepted and not finished. More are
	// refused with [ErrOverloaded] at once. Requests of running handlers may take as
	// much again. 0 = default (256 MiB), -1 = unlimited.
	MaxInFlightBytes int
	// MaxBytesPerKey is the same for the messages of one key. One message is always
	// accepted, however large it is. Messages smaller than an 8,192nd of the bound do
	// not count. 0 = default (16 MiB), -1 = unlimited.
	MaxBytesPerKey int

	// State keeps the state of durable entities, so that it outlives them and the node. All
	// nodes of a cluster share one store. The node opens its shards there in the background, and
	// starts where the store does not answer: durable entities wait for it. It refuses a store
	// that belongs to another cluster ([state.ErrOtherCluster]) or to another layout of shards
	// ([state.ErrOtherLayout]). With a list of shards, the node that opens a shard last serves
	// it, and an earlier one ends its part. State needs NumShards, or a Membership. Close the
	// store after the node has ended. nil = none.
	State state.Store

	// Membership makes the node's shards live. Nodes that share a store, NumShards and
	// Seed divide the shards among themselves, and hand them over as nodes join, leave
	// and die. It takes the place of Shards, and needs a transport of this library.
	// docs/reliability.md says what is promised.
	Membership membership.Store
	// Timing sets the lengths of leases and related times. Zero =
	// membership.DefaultTiming.
	Timing membership.Timing
	// Weight is the node's share of the shards relative to other nodes. 0 = 1.
	Weight float64
	// Zone and Version are shown to people by clstr nodes. They stand in the node's
	// record.
	Zone, Version string
	// DrainTimeout bounds a shard's move: the end of its calls and of its keys. When
	// all but the last 4 s of it have passed (the last three eighths, if it is short),
	// running calls are cut off. Their contexts end, and their callers are told that
	// the calls may have run. A handler that does not watch its context runs on beside the
	// next owner. The contexts of stop hooks end 1 s before the end (an eighth, if DrainTimeout
	// is short). Calls and hooks that were cut off count as lost. 0 = 15 s.
	DrainTimeout time.Duration
}

// DefaultNumShards is the number of shards of a live cluster if its first node does not set
// NumShards.
const DefaultNumShards = coordinator.DefaultNumShards

// defaultDrainTimeout is the default of [NodeOptions].DrainTimeout.
const defaultDrainTimeout = 15 * time.Second

// defaultMaxInFlight is the default of [NodeOptions].MaxInFlight.
const defaultMaxInFlight = 64 << 10

// forever replaces longer durations, so that sums of them do not overflow.
const forever = time.Duration(math.MaxInt64 / 4)

func (o NodeOptions) withDefaults() NodeOptions {
	if o.NodeID == "" {
		o.NodeID = newNodeID()
	}
	o.Log = sparse.New(o.Log, slog.String("node", o.NodeID))
	if o.MaxInFlight == 0 {
		o.MaxInFlight = defaultMaxInFlight
	}
	if o.MaxInFlightBytes == 0 {
		o.MaxInFlightBytes = dispatch.DefaultMaxInFlightBytes
	}
	if o.MaxBytesPerKey == 0 {
		o.MaxBytesPerKey = dispatch.DefaultMaxBytesPerKey
	}
	if o.StopTimeout == 0 {
		o.StopTimeout = hosting.DefaultStopTimeout
	}
	if o.DrainTimeout == 0 && o.Membership != nil { // a fixed list has none
		o.DrainTimeout = defaultDrainTimeout
	}
	o.StopTimeout, o.DrainTimeout = min(o.StopTimeout, forever), min(o.DrainTimeout, forever)
	return o
}

func (o NodeOptions) validate() error {
	if record.CheckName(o.NodeID) != nil {
		return outcome.Errorf(ErrBadOption, "NodeID %.80q: 1 to %d letters, digits, - and _", o.NodeID, record.MaxName)
	}
	switch {
	case isNil(o.Transport):
		return outcome.Errorf(ErrBadOption, "node %s: Transport is required", o.NodeID)
	case o.Handler == nil && len(o.Kinds) == 0:
		return outcome.Errorf(ErrBadOption, "node %s: Handler or Kinds is required", o.NodeID)
	case o.StopTimeout < 0:
		return outcome.Errorf(ErrBadOption, "node %s: StopTimeout %v: 0 (default) or more", o.NodeID, o.StopTimeout)
	}
	if o.MaxInFlight < -1 {
		return outcome.Errorf(ErrBadOption, "node %s: MaxInFlight %d: -1 (unlimited), 0 (default) or more", o.NodeID, o.MaxInFlight)
	}
	if o.MaxInFlightBytes < -1 {
		return outcome.Errorf(ErrBadOption, "node %s: MaxInFlightBytes %d: -1 (unlimited), 0 (default) or more", o.NodeID, o.MaxInFlightBytes)
	}
	if o.MaxBytesPerKey < -1 {
		return outcome.Errorf(ErrBadOption, "node %s: MaxBytesPerKey %d: -1 (unlimited), 0 (default) or more", o.NodeID, o.MaxBytesPerKey)
	}
	for kind, h := range o.Kinds {
		if kind == "" || h == nil {
			return outcome.Errorf(ErrBadOption, "node %s: kind %q needs a name and a handler", o.NodeID, kind)
		}
	}
	if o.NumShards == 0 && o.Seed != "" {
		return outcome.Errorf(ErrBadOption, "node %s: Seed %.64q without NumShards: give both, or neither", o.NodeID, o.Seed)
	}
	if o.NumShards != 0 {
		if err := (sharding.Layout{NumShards: o.NumShards, Seed: o.Seed}).Validate(); err != nil {
			return outcome.Errorf(ErrBadOption, "node %s: NumShards: %v", o.NodeID, err)
		}
	}
	switch {
	case o.State != nil && isNil(o.State):
		return outcome.Errorf(ErrBadOption, "node %s: State is a nil %T", o.NodeID, o.State)
	case o.State != nil && o.Membership == nil && o.NumShards == 0:
		return outcome.Errorf(ErrBadOption, "node %s: State needs NumShards and Seed, because a key's state is stored under its shard", o.NodeID)
	}
	limit := o.NumShards
	if limit == 0 {
		limit = sharding.MaxShards
	}
	sorted := slices.Sorted(slices.Values(o.Shards))
	for i, s := range sorted {
		if s >= limit {
			return outcome.Errorf(ErrShardOutOfRange, "node %s: shard %d: 0 to %d allowed", o.NodeID, s, limit-1)
		}
		if i > 0 && s == sorted[i-1] {
			return outcome.Errorf(ErrBadOption, "node %s: shard %d is listed twice", o.NodeID, s)
		}
	}
	return o.validateLiving()
}

// validateLiving refuses what does not fit with a membership.
func (o NodeOptions) validateLiving() error {
	if o.DrainTimeout < 0 {
		return outcome.Errorf(ErrBadOption, "node %s: DrainTimeout %v: 0 (default) or more", o.NodeID, o.DrainTimeout)
	}
	if o.Membership == nil {
		if o.Weight != 0 || o.Timing != (membership.Timing{}) || o.Zone != "" || o.Version != "" || o.DrainTimeout != 0 {
			return outcome.Errorf(ErrBadOption, "node %s: Timing, Weight, Zone, Version and DrainTimeout are for nodes with a Membership", o.NodeID)
		}
		return nil
	}
	switch {
	case isNil(o.Membership):
		return outcome.Errorf(ErrBadOption, "node %s: Membership is a nil %T", o.NodeID, o.Membership)
	case len(o.Shards) > 0:
		return outcome.Errorf(ErrBadOption, "node %s: Shards and Membership exclude each other", o.NodeID)
	}
	if dispatch.BackendOf(o.Transport) == nil {
		return outcome.Errorf(ErrBadOption, "node %s: Membership needs a memtransport, a natstransport or a transport that embeds one, not a %T", o.NodeID, o.Transport)
	}
	return nil
}

// isNil also knows a nil pointer in an interface: what a constructor returns beside an
// error that was ignored.
func isNil(v any) bool {
	r := reflect.ValueOf(v)
	return v == nil || r.Kind() == reflect.Pointer && r.IsNil()
}

// hosted returns the kinds for the node's record: none for a node that has only a Handler,
// and the empty kind too for a node that has a Handler beside Kinds.
func (o NodeOptions) hosted() []string {
	kinds := slices.Sorted(maps.Keys(o.Kinds))
	if o.Handler != nil && len(kinds) > 0 {
		kinds = append([]string{""}, kinds...)
	}
	return kinds
}
