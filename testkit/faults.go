// Faults: what happens to a call

package testkit

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/transport"
)

// Faults makes transports misbehave: messages and answers are lost, late,
// doubled or refused, and shards are cut off. Make one with [NewFaults], put it
// before the transport of the clients ([Faults.Client]), and change rules and
// partitions while they run. It is safe for concurrent use.
//
// All faults act on the sender's side, which sees all that a network can do to a
// message. Outcomes are honest: a caller never hears that nothing ran where
// something may have.
//
// What happens to a call is drawn from the seed, the call's key (or its shard,
// if it has none) and how many calls that key has had. So one sequence of calls
// to a key gets the same faults in each run, whatever happens to other keys
// meanwhile. Concurrent calls to one key get the same faults in the order in
// which they come, which is their own race; a client's new tries are calls too.
type Faults struct {
	seed uint64

	mu     sync.Mutex
	rules  []FaultRule
	named  []map[lane]int // calls that a rule has named, by lane
	calls  map[lane]int
	cutAll bool
	cut    map[uint32]bool
	counts FaultCounts
}

// FaultCounts is what [Faults] have done so far.
type FaultCounts struct {
	Calls          int // requests and notifications
	Dropped        int
	RepliesDropped int
	Failed         int
	Duplicated     int
	Delayed        int
	Partitioned    int // calls that a partition has lost, or their answers
}

// NewFaults makes faults with rules. Without rules, nothing goes wrong until
// Partition. It panics on a rule that cannot work, and says why.
func NewFaults(seed uint64, rules ...FaultRule) *Faults {
	f := &Faults{seed: seed, calls: map[lane]int{}, cut: map[uint32]bool{}}
	f.SetRules(rules...)
	return f
}

// SetRules replaces the rules, for the calls that come from now on. The counts
// behind [FaultRule.First] begin anew. It panics as NewFaults does.
func (f *Faults) SetRules(rules ...FaultRule) {
	named := make([]map[lane]int, len(rules))
	for i := range rules {
		if err := rules[i].validate(); err != nil {
			panic(fmt.Sprintf("testkit: fault rule %d: %v", i, err))
		}
		named[i] = map[lane]int{}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules, f.named = append([]FaultRule(nil), rules...), named
}

// Partition cuts shards off, all of them if none is given, until Heal: messages
// and the answers to those that are on their way are lost, and callers learn so
// by their own deadlines. Subscriptions through [Faults.Transport] fail with
// cluster.ErrDisconnected; those that exist stay. With Cluster.Shards it cuts a
// node off.
func (f *Faults) Partition(shards ...uint32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cutAll = f.cutAll || len(shards) == 0
	for _, s := range shards {
		f.cut[s] = true
	}
}

// Heal ends the partition of the given shards, of all of them if none is given.
// What was lost stays lost. It panics if all are cut off and only some are to be
// healed: that needs Heal() and a new Partition.
func (f *Faults) Heal(shards ...uint32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(shards) == 0 {
		f.cutAll = false
		clear(f.cut)
		return
	}
	if f.cutAll {
		panic("testkit: Faults.Heal of some shards while all are cut off: call Heal() first")
	}
	for _, s := range shards {
		delete(f.cut, s)
	}
}

// Injected returns what was done so far.
func (f *Faults) Injected() FaultCounts {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts
}

// verdict is what was decided for one call.
type verdict struct {
	what  fault
	pause time.Duration
	err   error
}

func (f *Faults) judge(env *transport.Envelope) verdict {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := laneOf(env)
	random := l.random(f.seed, f.calls[l])
	f.calls[l]++
	f.counts.Calls++
	for i := range f.rules {
		r := &f.rules[i]
		if !r.names(env) {
			continue
		}
		if r.First > 0 {
			if f.named[i][l] == r.First {
				return verdict{}
			}
			f.named[i][l]++
		}
		what, delayed := r.decide(random(), random())
		v := verdict{what: what}
		if delayed {
			v.pause = r.pause(random())
			f.counts.Delayed++
		}
		if what == faultFail {
			v.err = r.err()
		}
		return v
	}
	return verdict{}
}

func (f *Faults) partitioned(shard int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.cutAll || f.cut[uint32(shard)]
}

func (f *Faults) count(what func(*FaultCounts)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	what(&f.counts)
}

// request sends env through tr, or does not.
func (f *Faults) request(ctx context.Context, tr transport.ClientTransport, env transport.Envelope, closed <-chan struct{}) ([]byte, error) {
	if err := env.Validate(); err != nil {
		return nil, err
	}
	v := f.judge(&env)
	if v.pause > 0 {
		if err := hold(ctx, &env, v.pause, closed); err != nil {
			return nil, err
		}
	}
	switch v.what {
	case faultDrop:
		f.count(func(c *FaultCounts) { c.Dropped++ })
		return nil, lost(ctx, &env, closed)
	case faultFail:
		f.count(func(c *FaultCounts) { c.Failed++ })
		return nil, v.err
	}
	if f.partitioned(env.Shard) {
		f.count(func(c *FaultCounts) { c.Partitioned++ })
		return nil, lost(ctx, &env, closed)
	}
	reply, err := tr.Request(ctx, env)
	switch {
	case v.what == faultDropReply:
		f.count(func(c *FaultCounts) { c.RepliesDropped++ })
		return nil, lost(ctx, &env, closed)
	case v.what == faultDuplicate && !transport.OutcomeOf(err).NeverRan():
		f.count(func(c *FaultCounts) { c.Duplicated++ })
		_, _ = tr.Request(ctx, env) // nobody asks what becomes of it
	}
	if f.partitioned(env.Shard) && env.Delivery != transport.AwaitNothing {
		f.count(func(c *FaultCounts) { c.Partitioned++ })
		return nil, lost(ctx, &env, closed)
	}
	return reply, err
}

// hold keeps a call back. It has not been sent if its time is up by then.
func hold(ctx context.Context, env *transport.Envelope, pause time.Duration, closed <-chan struct{}) error {
	defer dispatch.BeginWait(ctx).EndWait(ctx)
	ttl := env.TTL()
	expires := env.TTLMs > 0 && ttl <= pause
	if expires {
		pause = ttl
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		if expires {
			return transport.Errorf(transport.ErrEnvelopeExpired, "TTL of %d ms", env.TTLMs)
		}
		return nil
	case <-ctx.Done():
		return transport.ContextError(ctx.Err(), transport.NotSent)
	case <-closed:
		return transport.Errorf(transport.ErrTransportClosed, "shard %d", env.Shard)
	}
}
