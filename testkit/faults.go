// Faults: what happens to a call

package testkit

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// Faults makes transports misbehave: it loses, delays, repeats and refuses messages,
// loses answers, and cuts shards off. Make one with [NewFaults] and put it in front of
// the clients' transport ([Faults.Client]). You may change rules and partitions while
// it runs. It is safe for concurrent use.
//
// All faults act on the sender's side, which sees everything that a network can do to a
// message. Outcomes are honest: no caller is told that nothing ran if something may
// have run.
//
// The fate of a call is drawn from the seed, from the call's key (or its shard, if it
// has no key), and from the number of calls that the key has had. So the same sequence
// of calls to one key meets the same faults in every run, whatever happens to other
// keys. Concurrent calls to one key meet the same faults too, in the order in which
// they arrive; that order may differ from run to run. A client's retry counts as a
// call.
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

// FaultCounts is what [Faults] has done so far.
type FaultCounts struct {
	Calls          int // requests and notifications
	Dropped        int
	RepliesDropped int
	Failed         int
	Duplicated     int
	Delayed        int
	Partitioned    int // calls that a partition has lost, or their answers
}

// NewFaults makes faults with rules. Without rules nothing goes wrong until Partition
// is called. NewFaults panics on a rule that cannot work, and says why.
func NewFaults(seed uint64, rules ...FaultRule) *Faults {
	f := &Faults{seed: seed, calls: map[lane]int{}, cut: map[uint32]bool{}}
	f.SetRules(rules...)
	return f
}

// SetRules replaces the rules for later calls. The counts behind [FaultRule.First]
// begin anew. SetRules panics as NewFaults does.
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

// Partition cuts shards off until Heal; without arguments, all of them. It loses
// messages to these shards and answers from them, and callers notice only by their
// deadlines. Subscriptions through [Faults.Transport] fail with
// cluster.ErrDisconnected, but those that exist stay. With the result of Cluster.Shards
// it cuts a node off.
func (f *Faults) Partition(shards ...uint32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cutAll = f.cutAll || len(shards) == 0
	for _, s := range shards {
		f.cut[s] = true
	}
}

// Heal ends the partition of the given shards, or of all shards without arguments. Lost
// messages stay lost. Heal panics if all shards are cut off and only some should be
// healed: call Heal() and then Partition.
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

// Injected returns the counts of what was done so far.
func (f *Faults) Injected() FaultCounts {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts
}

// verdict is the decision about one call.
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

// request sends env through tr, unless a fault prevents that.
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
	case v.what == faultDuplicate && !outcome.Of(err).NeverRan():
		f.count(func(c *FaultCounts) { c.Duplicated++ })
		_, _ = tr.Request(ctx, env) // nobody asks what becomes of it
	}
	if f.partitioned(env.Shard) && env.Delivery != transport.AwaitNothing {
		f.count(func(c *FaultCounts) { c.Partitioned++ })
		return nil, lost(ctx, &env, closed)
	}
	return reply, err
}

// hold delays a call. If the call's time ends meanwhile, it was not sent.
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
			return outcome.Errorf(outcome.ErrEnvelopeExpired, "TTL of %d ms", env.TTLMs)
		}
		return nil
	case <-ctx.Done():
		return outcome.ContextError(ctx.Err(), outcome.NotSent)
	case <-closed:
		return outcome.Errorf(outcome.ErrTransportClosed, "shard %d", env.Shard)
	}
}
