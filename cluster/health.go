// Node.Health: whether it serves, why not, since when

package cluster

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/clstr-go/clstr/internal/coordinator"
	"github.com/clstr-go/clstr/internal/keeper"
	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/transport"
)

// Health is the state of a node at one moment: [Node.Health].
type Health struct {
	NodeID string
	// Serving: the node serves its shards, and callers may be sent to it. A joining
	// node is Serving from [Node.Ready] on. A draining node is not, although both serve
	// the shards that they have.
	Serving bool
	// Why is the reason for not Serving, empty while Serving. Since is when this state
	// began.
	Why   HealthReason
	Since time.Time
	// Error is the failure behind Why, or a failure that will soon be one. For example, it names a
	// store that does not answer while the lease still lasts, or a record that was
	// overwritten by hand. Empty if nothing has failed.
	Error string
	// LeaseLeft is how much longer the node may serve if its store does not answer.
	// LeaseEnded is when the lease ended, or the zero time while it lasts. Both are
	// zero with a fixed list of shards, which needs no lease.
	LeaseLeft  time.Duration
	LeaseEnded time.Time
	// ShardsWithoutState is how many of the node's shards wait for the store of state: their
	// durable entities wait too. StateError is why; empty if nothing has failed.
	ShardsWithoutState int
	StateError         string
	// Unreachable names the members that this node does not reach, or that do not reach this node, although
	// both reach the store of members. Calls between their entities fail. The node goes on serving.
	Unreachable []string
	// ShardsOwned is how many shards the node serves, or 0 while it can serve none: the
	// gauge shards_owned. ShardsWanted is how many it should serve.
	ShardsOwned, ShardsWanted int
}

// HealthReason is the reason why a node does not serve. It is a label, and new ones may
// come.
type HealthReason string

// Why a node does not serve. Of several reasons the first counts.
const (
	// NodeEnded: [Node.Run] has returned, or it was never called with options that work.
	NodeEnded HealthReason = "ended"
	// NodeDataPathDead: the transport has no connection, or what the node sends to itself does not
	// arrive. So no request arrives either.
	NodeDataPathDead HealthReason = "data_path_dead"
	// NodeDraining: the node was asked to leave. It hands over its shards and finishes
	// what it has accepted.
	NodeDraining HealthReason = "draining"
	// NodeBucketGone: the store of members has lost its records
	// ([membership.ErrNoRecords]), and the node has no lease.
	NodeBucketGone HealthReason = "bucket_gone"
	// NodeStoreUnreachable: the store of members does not answer, and the node has no
	// lease.
	NodeStoreUnreachable HealthReason = "store_unreachable"
	// NodeJoining: the node does not serve all of its shards yet.
	NodeJoining HealthReason = "joining"
	// NodeDeposed: another node has opened the state of shards of this node's list.
	NodeDeposed HealthReason = "deposed"
	// NodeLeaseEnded: the node's lease has ended and is not renewed yet.
	NodeLeaseEnded HealthReason = "lease_ended"
)

// servesNothing reports whether the reason leaves the node without any shard.
func (r HealthReason) servesNothing() bool {
	return r != "" && r != NodeJoining && r != NodeDraining && r != NodeDeposed
}

// lookEvery is how late a node may notice that it serves nothing, for its gauge and
// for Health.Since.
const lookEvery = 250 * time.Millisecond

// vitals is what a node knows of its own health.
type vitals struct {
	id        string
	wanted    int // shards, with a fixed list
	transport ServerTransport
	ready     <-chan struct{}
	metrics   ClusterMetrics // nil is none
	log       *slog.Logger

	mu     sync.Mutex
	begun  bool
	asked  context.Context          // ended: it was asked to leave
	takes  *coordinator.Coordinator // part in the cluster; nil with a fixed list of shards
	stored *stored                  // nil without a store of state
	waits  keeper.Health            // what waited for that at the last look
	ended  bool
	failed error // what it has ended with

	owned   int    // how many shards are subscribed
	deposed int    // how many another has opened, with a fixed list
	told    gauges // what the gauges say
	gauge   gauges // what they are to say
	tells   bool   // they are being told
	why     HealthReason
	since   time.Time
}

// newVitals makes the vitals of a node that has not begun.
func newVitals(n *Node) *vitals {
	return &vitals{
		id: n.opts.NodeID, wanted: len(n.opts.Shards), transport: n.opts.Transport, ready: n.ready,
		metrics: n.metrics, log: n.opts.Log, told: gauges{-1, -1},
	}
}

// health returns the node's present health, and updates the gauge.
func (v *vitals) health() Health {
	v.mu.Lock()
	stored := v.stored
	v.mu.Unlock()
	waits := stored.health() // asks all shards: not each time that one comes or goes
	defer v.tellOwned()
	v.mu.Lock()
	defer v.mu.Unlock()
	v.waits = waits
	return v.now()
}

// now determines the node's health, and what the gauge must say. It is called with mu
// held. The caller calls tellOwned afterwards, without mu.
func (v *vitals) now() Health {
	h := Health{NodeID: v.id, ShardsOwned: v.owned, ShardsWanted: v.wanted}
	h.Why = v.reason(&h)
	h.Serving = h.Why == ""
	if h.Why.servesNothing() {
		h.ShardsOwned = 0
	}
	if v.why != h.Why || v.since.IsZero() {
		v.why, v.since = h.Why, time.Now()
	}
	h.Since = v.since
	if h.ShardsWithoutState = v.waits.Waiting; v.waits.Err != nil {
		h.StateError = v.waits.Err.Error()
	}
	v.gauge = gauges{h.ShardsOwned, h.ShardsWithoutState}
	return h
}

// gauges are what the metrics say of a node's shards.
type gauges struct{ owned, without int }

// tellOwned tells the gauges. One goroutine tells at a time, until the last value that
// it has told holds, so the last value told is right.
func (v *vitals) tellOwned() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.metrics == nil || v.tells {
		return
	}
	for v.tells = true; v.told != v.gauge; {
		before, now, stored := v.told, v.gauge, v.stored
		v.told = now
		v.mu.Unlock() // the metrics may ask how the node is
		sparse.Apart(v.log, "the metrics", func() {
			if now.owned != before.owned {
				v.metrics.ShardsOwned(v.id, now.owned)
			}
			if now.without != before.without && stored != nil && stored.metrics != nil {
				stored.metrics.ShardsWithoutState(v.id, now.without)
			}
		})
		v.mu.Lock()
	}
	v.tells = false
}

// reason returns why the node does not serve. It fills in what is known of the lease.
func (v *vitals) reason(h *Health) HealthReason {
	part := coordinator.Health{Settled: isClosed(v.ready)}
	if v.takes != nil {
		part = v.takes.Health()
		h.ShardsWanted, h.LeaseLeft, h.LeaseEnded, h.Unreachable = part.Wanted, part.Lease, part.LeaseEnded, part.Unreachable
	}
	for _, err := range []error{v.failed, part.Store, part.Deaf, part.Subscribe, part.Died, part.Records} {
		if err != nil && h.Error == "" {
			h.Error = err.Error()
		}
	}
	lease := v.takes == nil || part.Lease > 0
	switch {
	case v.ended:
		return NodeEnded
	case v.begun && !connected(v.transport), part.Deaf != nil:
		return NodeDataPathDead
	case part.Leaving || v.begun && v.asked.Err() != nil:
		return NodeDraining
	case !lease && errors.Is(part.Store, membership.ErrNoRecords):
		return NodeBucketGone
	case !lease && part.Store != nil:
		return NodeStoreUnreachable
	case !part.Settled:
		return NodeJoining
	case v.deposed > 0:
		return NodeDeposed
	case !lease:
		return NodeLeaseEnded
	}
	return ""
}

// connected reports whether requests can reach a transport. A transport that does not
// say counts as connected.
func connected(t ServerTransport) bool {
	c, ok := t.(transport.ConnectionTransport)
	return !ok || c.Connected()
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// look begins to look at the node's health now and then, until stop, and calls also each time. ctx ends
// when the node is asked to leave.
func (v *vitals) look(ctx context.Context, also func()) (stop func()) {
	v.set(func(v *vitals) { v.begun, v.asked = true, ctx })
	over := make(chan struct{})
	var looking sync.WaitGroup
	looking.Go(func() { // ends with the node
		again := time.NewTicker(lookEvery)
		defer again.Stop()
		for {
			select {
			case <-again.C:
				v.health()
				also()
			case <-over:
				return
			}
		}
	})
	return func() { close(over); looking.Wait() }
}

// set changes the vitals, and updates the health.
func (v *vitals) set(change func(*vitals)) {
	defer v.tellOwned()
	v.mu.Lock()
	defer v.mu.Unlock()
	change(v)
	v.now()
}

// owns notes how many shards are subscribed.
func (v *vitals) owns(count int) { v.set(func(v *vitals) { v.owned = count }) }

// deposes notes how many shards another node has opened.
func (v *vitals) deposes(count int) { v.set(func(v *vitals) { v.deposed = count }) }
