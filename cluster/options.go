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
	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/sharding"
	"github.com/clstr-go/clstr/transport"
)

// NodeOptions configures node creation.
type NodeOptions struct {
	// Log is the logger for node operations. Of each message the node writes a few
	// lines a second, and then how many it has left out; what entities log is all
	// written. nil = slog.Default().
	Log *slog.Logger
	// NodeID is the unique identifier for this node: 1 to 255 letters, digits, - and _.
	// A dot would end it, because records and commands write one life of a node as
	// name.incarnation. Auto-generated if empty.
	NodeID string
	// Transport is the server transport for receiving messages (required).
	Transport ServerTransport
	// Shards is the list of shard IDs this node owns. Use [ShardsForNode] to
	// compute this based on cluster membership. A node without any serves nothing,
	// and says so in a warning: its NodeID may not be among those that the shards
	// were assigned to. Lists of two nodes must not overlap: a key could live twice. A
	// node warns of shards that another node on the same transport value serves too. It
	// cannot see the nodes of other processes.
	Shards []uint32
	// Handler processes incoming messages for owned shards. Required, unless
	// there are Kinds.
	Handler ServerHandlerFunc
	// Kinds are the handlers of messages to a kind ([Client.Kind]), by its name.
	Kinds map[string]ServerHandlerFunc
	// BaseContext gives its values, and nothing else, to the contexts of handlers and
	// hooks. nil = none.
	BaseContext context.Context
	// Around is a func around each message that a handler of the node begins with, of all
	// kinds alike. It is around that of the handler; [Chain] makes one of several. It may
	// be nil.
	Around Around
	// Metrics for node instrumentation. If nil, nothing is measured. If it
	// implements [EntityMetrics], it is told of keys too, with
	// [NotificationMetrics] of notifications that fail, with [OwnershipMetrics] and
	// [DrainMetrics] of shards that move.
	Metrics ClusterMetrics

	// NumShards and Seed are the cluster's, as in [ClientOptions]. A node that
	// knows them refuses callers that hash differently ([ErrLayoutMismatch]).
	// One that does not (NumShards 0) learns them from the first message by key, or
	// from another node on its transport, warns, and refuses what differs from that:
	// give them, for in another process the first caller may be another. With a
	// Membership, NumShards 0 is what the cluster's records say, Seed included; the first
	// node of a cluster writes [DefaultNumShards]. Seed alone is refused: nothing could be
	// checked by it.
	NumShards uint32
	Seed      string
	// StopTimeout bounds the wait for stop hooks, and for the hand-over of shards,
	// at the end. 0 = 30 s. With a fixed list of shards, stop hooks begin when all handlers
	// have returned; those of shards without a handler that runs begin after half of
	// StopTimeout at the latest. If all nodes end at the same moment, the last one waits for
	// the others within it: for StopTimeout less DrainTimeout, half of it at least.
	StopTimeout time.Duration
	// MaxInFlight is how many messages, of all shards together, the node may have
	// accepted and not finished; more are refused with [ErrOverloaded] at once. One
	// whose handler waits for a request of its own, made with its context, does not
	// count. 0 = default (65,536), -1 = unlimited.
	MaxInFlight int

	// MaxInFlightBytes bounds the bytes (payload, key and headers) of the messages that
	// the node has accepted and not finished, of all shards together. What comes beyond
	// it is refused with [ErrOverloaded] at once. Requests of running handlers may take
	// as much again. 0 = default (256 MiB), -1 = unlimited.
	MaxInFlightBytes int
	// MaxBytesPerKey is the same for the messages of one key. One message is always
	// taken, however large it is, and messages below an 8,192nd part of the bound do
	// not count. 0 = default (16 MiB), -1 = unlimited.
	MaxBytesPerKey int

	// Membership makes the node's shards live: nodes that share a store, and give
	// the same NumShards and Seed, share the shards among those that are there,
	// and hand them over as nodes join, leave and die. It takes the place of
	// Shards, and needs a transport that knows epochs, as the library's do. Package
	// membership says what is promised.
	Membership membership.Store
	// Timing says how long leases and the like are. Zero = membership.DefaultTiming.
	Timing membership.Timing
	// Weight is the node's part of the shards relative to others. 0 = 1.
	Weight float64
	// Zone and Version stand in the node's record, for people: clstr nodes shows them.
	Zone, Version string
	// DrainTimeout bounds a shard's move: the end of its calls and of its keys. Calls
	// that run when all but 4 s of it have passed (all but three eighths, if it is
	// short) are cut off: their contexts end, and their callers are told that they may
	// have run. A handler that does not watch its context runs on, beside the next
	// owner. Stop hooks lose their contexts 1 s before the end (an eighth, if it is
	// short). What was cut off is counted as lost. 0 = 15 s.
	DrainTimeout time.Duration
}

// DefaultNumShards is how many shards a live cluster has whose first node was not told.
const DefaultNumShards = coordinator.DefaultNumShards

// DefaultMaxInFlight is the default of [NodeOptions].MaxInFlight.
const DefaultMaxInFlight = 64 << 10

// forever is what longer durations count as, so that sums of them do not overflow.
const forever = time.Duration(math.MaxInt64 / 4)

func (o NodeOptions) withDefaults() NodeOptions {
	if o.NodeID == "" {
		o.NodeID = newNodeID()
	}
	o.Log = sparse.New(o.Log, slog.String("node", o.NodeID))
	if o.MaxInFlight == 0 {
		o.MaxInFlight = DefaultMaxInFlight
	}
	if o.MaxInFlightBytes == 0 {
		o.MaxInFlightBytes = dispatch.DefaultMaxInFlightBytes
	}
	if o.MaxBytesPerKey == 0 {
		o.MaxBytesPerKey = dispatch.DefaultMaxBytesPerKey
	}
	o.StopTimeout, o.DrainTimeout = min(o.StopTimeout, forever), min(o.DrainTimeout, forever)
	return o
}

func (o NodeOptions) validate() error {
	if err := membership.CheckName(o.NodeID); err != nil {
		return transport.Errorf(ErrBadOption, "NodeID: %v", err)
	}
	switch {
	case isNil(o.Transport):
		return transport.Errorf(ErrBadOption, "node %s: Transport is required", o.NodeID)
	case o.Handler == nil && len(o.Kinds) == 0:
		return transport.Errorf(ErrBadOption, "node %s: Handler or Kinds is required", o.NodeID)
	case o.StopTimeout < 0:
		return transport.Errorf(ErrBadOption, "node %s: StopTimeout %v: 0 (default) or a duration", o.NodeID, o.StopTimeout)
	}
	if o.MaxInFlight < -1 {
		return transport.Errorf(ErrBadOption, "node %s: MaxInFlight %d: -1 (unlimited), 0 (default) or more", o.NodeID, o.MaxInFlight)
	}
	if o.MaxInFlightBytes < -1 {
		return transport.Errorf(ErrBadOption, "node %s: MaxInFlightBytes %d: -1 (unlimited), 0 (default) or more", o.NodeID, o.MaxInFlightBytes)
	}
	if o.MaxBytesPerKey < -1 {
		return transport.Errorf(ErrBadOption, "node %s: MaxBytesPerKey %d: -1 (unlimited), 0 (default) or more", o.NodeID, o.MaxBytesPerKey)
	}
	for kind, h := range o.Kinds {
		if kind == "" || h == nil {
			return transport.Errorf(ErrBadOption, "node %s: kind %q needs a name and a handler", o.NodeID, kind)
		}
	}
	if o.NumShards == 0 && o.Seed != "" {
		return transport.Errorf(ErrBadOption, "node %s: Seed %.64q without NumShards: give both, or neither", o.NodeID, o.Seed)
	}
	if o.NumShards != 0 {
		if err := (sharding.Layout{NumShards: o.NumShards, Seed: o.Seed}).Validate(); err != nil {
			return transport.Errorf(ErrBadOption, "node %s: NumShards: %v", o.NodeID, err)
		}
	}
	limit := o.NumShards
	if limit == 0 {
		limit = sharding.MaxShards
	}
	sorted := slices.Sorted(slices.Values(o.Shards))
	for i, s := range sorted {
		if s >= limit {
			return transport.Errorf(ErrShardOutOfRange, "node %s: shard %d: 0 to %d allowed", o.NodeID, s, limit-1)
		}
		if i > 0 && s == sorted[i-1] {
			return transport.Errorf(ErrBadOption, "node %s: shard %d is listed twice", o.NodeID, s)
		}
	}
	return o.validateLiving()
}

// validateLiving refuses what does not fit with a membership.
func (o NodeOptions) validateLiving() error {
	if o.DrainTimeout < 0 {
		return transport.Errorf(ErrBadOption, "node %s: DrainTimeout %v: 0 (default) or a duration", o.NodeID, o.DrainTimeout)
	}
	if o.Membership == nil {
		if o.Weight != 0 || o.Timing != (membership.Timing{}) || o.Zone != "" || o.Version != "" || o.DrainTimeout != 0 {
			return transport.Errorf(ErrBadOption, "node %s: Timing, Weight, Zone, Version and DrainTimeout are for nodes with a Membership", o.NodeID)
		}
		return nil
	}
	switch {
	case isNil(o.Membership):
		return transport.Errorf(ErrBadOption, "node %s: Membership is a nil %T", o.NodeID, o.Membership)
	case len(o.Shards) > 0:
		return transport.Errorf(ErrBadOption, "node %s: Shards and Membership exclude each other", o.NodeID)
	}
	if _, ok := o.Transport.(dispatch.Backend); !ok {
		return transport.Errorf(ErrBadOption, "node %s: Membership needs a memtransport, a natstransport or a transport that embeds one, and %T is none", o.NodeID, o.Transport)
	}
	return nil
}

// isNil also knows a nil pointer in an interface: what a constructor returns beside an
// error that was ignored.
func isNil(v any) bool {
	r := reflect.ValueOf(v)
	return v == nil || r.Kind() == reflect.Pointer && r.IsNil()
}

// hosted are the kinds as a node's record names them: none for a node with a Handler
// alone, and the empty kind for one that has that beside Kinds.
func (o NodeOptions) hosted() []string {
	kinds := slices.Sorted(maps.Keys(o.Kinds))
	if o.Handler != nil && len(kinds) > 0 {
		kinds = append([]string{""}, kinds...)
	}
	return kinds
}
