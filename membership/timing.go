// Timing, its presets, and what must hold between its fields

package membership

import (
	"time"

	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/sharding"
)

// Timing says how long things take in a cluster. A zero field has the value of
// [DefaultTiming]. Each node tells the others its lease in its record, so the nodes of
// one cluster may differ, for example during a deploy.
//
// The fields keep two owners of one shard apart. A node stops, by its own clock, Margin
// before its lease ends, and another node declares it dead Delta after that end. So the
// clocks of nodes may run apart by (Margin+Delta)/(2·Lease+Delta-Margin), which is 10 %
// in all presets.
type Timing struct {
	// Lease is how long a node may serve after it has sent its last renewal: 1 s to
	// [MaxLease].
	Lease time.Duration
	// Renew is the pause between renewals.
	Renew time.Duration
	// Margin is how long before the end of its lease a node stops by itself.
	Margin time.Duration
	// Delta is how long after the end of its lease others declare a node dead.
	Delta time.Duration

	// Poll is the pause between reads of the members' records. It bounds how late a
	// node notices a change that its watch has missed.
	Poll time.Duration
	// ShardPoll is the same for the shards' records.
	ShardPoll time.Duration
	// Settle is how long a node that joins a running cluster waits before it takes
	// shards. It doubles with each recent death under the node's name, up to MaxSettle.
	Settle    time.Duration
	MaxSettle time.Duration
	// Residency is how long a shard stays where it has moved before it moves again for
	// balance.
	Residency time.Duration
	// Forget is how long the record of a node is kept after the node has left or died.
	Forget time.Duration
	// MaxMoves is how many shards a node hands over at once. A node that leaves hands
	// over twice as many. More than the default makes nothing faster (docs/performance.md).
	MaxMoves int
}

// The presets differ in the store outages that they survive, and in how soon a death is
// noticed.
//
// A timing survives a store outage of Lease - Margin - Renew - 0.5 s. If only Lease is
// set, that is 0.7·Lease - 0.5 s. In a longer outage the leases of all nodes end. Then
// nothing is served until the store is back, and afterwards each node goes on with the
// shards that it had.
//
// When the leader of a JetStream stream dies, the other servers wait for a random time
// of 4 to 9 s before they elect another, and the vote itself takes a moment too. (A
// server that is stopped properly hands over at once.) CalmTiming survives every such
// election. The shortest lease that does is 15 s, which survives 10 s: Timing{Lease: 15
// * time.Second} serves a dead node's shards after 18 s at most.
var (
	// DefaultTiming survives a store outage of 6.5 s, which covers about half of
	// JetStream's elections. A dead node's shards are served again after 12.3 s at
	// most.
	DefaultTiming = Timing{Lease: 10 * time.Second, Renew: 2 * time.Second, Margin: time.Second, Delta: time.Second}.WithDefaults()
	// FastTiming survives 3.7 s, which covers no election. Shards are served again
	// after 7.9 s.
	FastTiming = Timing{Lease: 6 * time.Second, Renew: 1200 * time.Millisecond, Margin: 600 * time.Millisecond, Delta: 600 * time.Millisecond}.WithDefaults()
	// CalmTiming survives 13.5 s, which covers every election. Shards are served again
	// after 23.3 s.
	CalmTiming = Timing{Lease: 20 * time.Second, Renew: 4 * time.Second, Margin: 2 * time.Second, Delta: 2 * time.Second}.WithDefaults()
)

// MaxLease is the longest lease that a node may have. If a record says more, MaxLease
// counts: a record keeps other nodes from its node's shards for no longer than that.
const MaxLease = 24 * time.Hour

// leastRenew is how often a node checks whether something is due.
const leastRenew = 250 * time.Millisecond

// WithDefaults returns t with the default in each field that is zero.
func (t Timing) WithDefaults() Timing {
	set := func(d *time.Duration, to time.Duration) {
		if *d == 0 {
			*d = to
		}
	}
	set(&t.Lease, 10*time.Second)
	set(&t.Renew, max(t.Lease/5, leastRenew))
	set(&t.Margin, t.Lease/10)
	set(&t.Delta, t.Lease/10)
	set(&t.Poll, time.Second)
	set(&t.ShardPoll, 5*time.Second)
	set(&t.Settle, 3*time.Second)
	set(&t.MaxSettle, 5*time.Minute)
	set(&t.Residency, 10*time.Second)
	set(&t.Forget, 10*time.Minute)
	if t.MaxMoves == 0 {
		t.MaxMoves = 16
	}
	return t
}

// Validate refuses timings with which a node could not keep its lease, or with which
// two nodes could serve one shard.
func (t Timing) Validate() error {
	switch {
	case t.Lease < time.Second || t.Lease > MaxLease:
		return outcome.Errorf(outcome.ErrBadOption, "Timing.Lease %v: 1s to %v", t.Lease, MaxLease)
	case t.Delta > MaxLease:
		return outcome.Errorf(outcome.ErrBadOption, "Timing.Delta %v: at most %v", t.Delta, MaxLease)
	case t.Renew < leastRenew || t.Renew > t.Lease/2 || t.Margin < 0 || t.Margin > t.Lease-2*t.Renew:
		return outcome.Errorf(outcome.ErrBadOption, "Timing.Renew %v: at least %v, and twice Renew plus Margin %v must fit into Lease %v", t.Renew, leastRenew, t.Margin, t.Lease)
	case t.Margin < t.Lease/100 || t.Delta < t.Lease/100: // each alone: the Delta that counts is another node's
		return outcome.Errorf(outcome.ErrBadOption, "Timing.Margin %v, Delta %v: each at least a hundredth of Lease %v, because clocks run apart", t.Margin, t.Delta, t.Lease)
	case max(t.Poll, t.ShardPoll, t.Settle, t.MaxSettle) > MaxLease:
		return outcome.Errorf(outcome.ErrBadOption, "Timing.Poll %v, ShardPoll %v, Settle %v, MaxSettle %v: each at most %v", t.Poll, t.ShardPoll, t.Settle, t.MaxSettle, MaxLease)
	case t.MaxMoves > sharding.MaxShards:
		return outcome.Errorf(outcome.ErrBadOption, "Timing.MaxMoves %d: at most %d", t.MaxMoves, sharding.MaxShards)
	case t.Poll < 0 || t.ShardPoll < 0 || t.Settle < 0 || t.MaxSettle < 0 || t.Residency < 0 || t.Forget < 0 || t.MaxMoves < 0:
		return outcome.Errorf(outcome.ErrBadOption, "Timing: negative values are not allowed: %+v", t)
	}
	return nil
}
