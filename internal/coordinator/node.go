// Node and Shard: what a coordinator asks of the node that it is part of

package coordinator

import (
	"context"
	"time"

	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/internal/standing"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/sharding"
)

// Node serves the shards, and hears of changes. Methods without a context must not block, but Left may.
type Node interface {
	// Served asks the other nodes which shards are owned, for a second or until ctx ends. It returns
	// the epochs of the first answer, by shard; none if no node answers, or if none knows of an epoch.
	Served(ctx context.Context) []uint64
	// Serves asks for a second, or until ctx ends, whether a node serves one of the shards
	// that are owned in these epochs, and returns its name; "" if none does.
	Serves(ctx context.Context, epochs []uint64) string
	// Admits returns an error, and ends the node, if the node's state belongs to another cluster.
	Admits(ctx context.Context, cluster string, l sharding.Layout) error
	// Open begins to serve a shard, and returns when requests find it. It may
	// block until ctx ends.
	Open(ctx context.Context, st *standing.Standing) (Shard, error)
	// Opened tells that a shard is served now, why it belongs to the node, and how long the shard
	// was not served before, if that is known; 0 for a shard that had no owner.
	Opened(why string, gap time.Duration)
	// Route tells of a new version of any shard's record.
	Route(shard uint32, record record.Shard)
	// Begins tells that an incarnation begins: what Final has told holds no more.
	Begins()
	// Final tells that all of these shards are about to be drained, and that no node is
	// there to take them.
	Final(shards []uint32)
	// NotServed tells that one of these shards was never opened.
	NotServed(shard uint32)
	// Settled tells, once, that the node serves all shards that it should.
	Settled()
	// Left tells that the node takes no part any more and hears of no new owner.
	Left()
	// Reachable reports whether requests can reach the node at all. If they cannot for longer
	// than a lease, the node leaves, and joins again when they can.
	Reachable() bool
}

// Shard is a shard that a node serves.
type Shard interface {
	// Drain returns when nothing of the shard runs any more and its keys are
	// passivated. The standing refuses new calls. At the end of the standing's
	// stages, or when ctx ends, Drain leaves behind the calls and hooks that still run, and tells
	// them so. It returns what that has cost callers, even beside an error. The error has a
	// [CutOff] for keys whose stop hooks were cut off.
	Drain(ctx context.Context) (outcome.DrainCounts, error)
	// Drop ends the calls that run, without stop hooks, because another node may own the shard. It
	// returns when nothing runs any more, or when ctx ends.
	Drop(ctx context.Context) error
	// Lapse tells that the node's lease has ended: the contexts of handlers end, and
	// callers that wait are refused. The lease may come back. Lapse must not block.
	Lapse()
	// Close ends the subscription. Nothing runs any more by then.
	Close() error
}
