// Timing, its presets, and what must hold between its fields

package membership

import (
	"time"

	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/sharding"
)

// Timing is how long things take in a cluster. Zero fields have the values of
// [DefaultTiming]. A node tells the others its lease in its record, so nodes of
// one cluster may differ, during a deploy say.
//
// Its fields stand in a relation that keeps two owners apart: a node stops by its
// own clock Margin before its lease ends, and another declares it dead Delta
// after that. Clocks may therefore run apart by (Margin+Delta)/(2·Lease+Delta-Margin),
// 10 % in all presets.
type Timing struct {
	// Lease is how long a node may serve after the renewal that it sent last: 1 s
	// to [MaxLease].
	Lease time.Duration
	// Renew is the pause between renewals.
	Renew time.Duration
	// Margin is how much earlier than its lease ends a node stops by itself.
	Margin time.Duration
	// Delta is how much later than its lease ends others take a node for dead.
	Delta time.Duration

	// Poll is the pause between looks at the member records, which are also the
	// bound on how late a hint that was lost is noticed.
	Poll time.Duration
	// ShardPoll is the same for the shard records.
	ShardPoll time.Duration
	// Settle is how long a node that joins a running cluster waits before it
	// takes shards; doubled for each recent death under its name, up to
	// MaxSettle.
	Settle    time.Duration
	MaxSettle time.Duration
	// Residency is how long a shard that has moved stays before it moves again
	// for balance.
	Residency time.Duration
	// Forget is how long the record of a node that has gone is kept.
	Forget time.Duration
	// MaxMoves is how many shards a node hands over at once; four times as many
	// when it leaves.
	MaxMoves int
}

// The presets differ in what they ride over and how soon they see a death.
//
// A timing rides over an outage of the store of Lease - Margin - Renew - 0.5 s,
// where only Lease is given of 0.7·Lease - 0.5 s. In a longer outage the leases of
// all nodes end: nothing is served until the store is back, and then everything
// goes on without a move.
//
// When the leader of a JetStream stream dies, the other servers wait for a random
// time of 4 to 9 s before they elect another; the voting comes on top. (A server
// that is stopped properly hands over at once.) CalmTiming rides over every such
// election. The shortest lease that does so is 15 s, which rides over 10 s:
// Timing{Lease: 15 * time.Second} serves a dead node's shards after 18 s at most.
var (
	// DefaultTiming rides over an outage of the store of 6.5 s, which is about half
	// of JetStream's elections, and serves a dead node's shards after 12.3 s at
	// most.
	DefaultTiming = Timing{Lease: 10 * time.Second, Renew: 2 * time.Second, Margin: time.Second, Delta: time.Second}.WithDefaults()
	// FastTiming: 3.7 s, which no election is shorter than, and 7.9 s.
	FastTiming = Timing{Lease: 6 * time.Second, Renew: 1200 * time.Millisecond, Margin: 600 * time.Millisecond, Delta: 600 * time.Millisecond}.WithDefaults()
	// CalmTiming: 13.5 s, which all elections are shorter than, and 23.3 s.
	CalmTiming = Timing{Lease: 20 * time.Second, Renew: 4 * time.Second, Margin: 2 * time.Second, Delta: 2 * time.Second}.WithDefaults()
)

// MaxLease is the longest lease that a node may have. A record that says more is
// taken to say this: only so long can it keep others from its shards.
const MaxLease = 24 * time.Hour

// leastRenew is how often a node looks whether something is due.
const leastRenew = 250 * time.Millisecond

// WithDefaults returns t with a value in each field.
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
		t.MaxMoves = 8
	}
	return t
}

// Validate refuses timings under which a node could not keep its lease, or two
// could serve one shard.
func (t Timing) Validate() error {
	switch {
	case t.Lease < time.Second || t.Lease > MaxLease:
		return outcome.Errorf(outcome.ErrBadOption, "Timing.Lease %v: 1s to %v", t.Lease, MaxLease)
	case t.Delta > MaxLease:
		return outcome.Errorf(outcome.ErrBadOption, "Timing.Delta %v: at most %v", t.Delta, MaxLease)
	case t.Renew < leastRenew || t.Renew > t.Lease/2 || t.Margin < 0 || t.Margin > t.Lease-2*t.Renew:
		return outcome.Errorf(outcome.ErrBadOption, "Timing.Renew %v: at least %v, and two of them with Margin %v within Lease %v", t.Renew, leastRenew, t.Margin, t.Lease)
	case t.Margin < t.Lease/100 || t.Delta < t.Lease/100: // each: the Delta that counts is another's
		return outcome.Errorf(outcome.ErrBadOption, "Timing.Margin %v, Delta %v: each at least a hundredth of Lease %v, for clocks that run apart", t.Margin, t.Delta, t.Lease)
	case max(t.Poll, t.ShardPoll, t.Settle, t.MaxSettle) > MaxLease:
		return outcome.Errorf(outcome.ErrBadOption, "Timing.Poll %v, ShardPoll %v, Settle %v, MaxSettle %v: each at most %v", t.Poll, t.ShardPoll, t.Settle, t.MaxSettle, MaxLease)
	case t.MaxMoves > sharding.MaxShards:
		return outcome.Errorf(outcome.ErrBadOption, "Timing.MaxMoves %d: at most %d", t.MaxMoves, sharding.MaxShards)
	case t.Poll < 0 || t.ShardPoll < 0 || t.Settle < 0 || t.MaxSettle < 0 || t.Residency < 0 || t.Forget < 0 || t.MaxMoves < 0:
		return outcome.Errorf(outcome.ErrBadOption, "Timing: negative values are not allowed: %+v", t)
	}
	return nil
}
