// FaultRule, and the draws

package testkit

import (
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// FaultRule says which calls go wrong, how, and how often. The first rule that matches
// a call decides about it, even if that rule lets the call pass.
type FaultRule struct {
	// Shards, Keys, Kinds and Types select calls. An empty list selects all.
	Shards []uint32
	Keys   []string
	Kinds  []string
	Types  []string

	// The probabilities of what happens to a call, 0 to 1. Of Drop, DropReply, Fail and
	// Duplicate one call meets at most one, and together they are at most 1. Delay is
	// drawn apart and comes first.

	// Drop loses the message, and no handler sees it. The caller notices only by its
	// own deadline or TTL, and gets cluster.MaybeRan.
	Drop float64
	// DropReply delivers the message and loses the answer. To the caller this looks the
	// same as Drop.
	DropReply float64
	// Fail refuses the call with Err, and no handler sees it.
	Fail float64
	// Duplicate delivers the message a second time after the first delivery has an
	// outcome, unless that outcome says that nothing ran. The caller gets the first
	// outcome, and waits for the second delivery within its deadline. A notification
	// without an acknowledgement is delivered twice in a row.
	Duplicate float64
	// Delay delays the call by DelayMin to DelayMax. A call whose time ends meanwhile
	// was not sent.
	Delay float64

	DelayMin, DelayMax time.Duration

	// Err is the error of Fail. A sentinel of package cluster brings its own outcome,
	// and a *cluster.Error is returned as it stands. For a handler's error
	// (RanAndFailed) give outcome.HandlerError(err). Any other error means MaybeRan.
	Err error

	// First limits the rule to the first calls of each key that it selects, or of each
	// shard for calls without a key. 0 = all.
	First int
}

func (r *FaultRule) validate() error {
	for name, p := range map[string]float64{"Drop": r.Drop, "DropReply": r.DropReply, "Fail": r.Fail, "Duplicate": r.Duplicate, "Delay": r.Delay} {
		if !(p >= 0 && p <= 1) {
			return fmt.Errorf("%s %v: 0 to 1 allowed", name, p)
		}
	}
	const rounding = 1e-9
	switch sum := r.Drop + r.DropReply + r.Fail + r.Duplicate; {
	case sum > 1+rounding:
		return fmt.Errorf("probabilities Drop, DropReply, Fail and Duplicate make %v together: at most 1 allowed", sum)
	case r.Fail > 0 && r.Err == nil:
		return fmt.Errorf("probability Fail %v needs Err", r.Fail)
	case r.DelayMin < 0 || r.DelayMax < 0:
		return fmt.Errorf("bounds DelayMin %v, DelayMax %v: must not be negative", r.DelayMin, r.DelayMax)
	case r.DelayMin > r.DelayMax:
		return fmt.Errorf("bound DelayMin %v is over DelayMax %v", r.DelayMin, r.DelayMax)
	case r.Delay > 0 && r.DelayMax == 0:
		return fmt.Errorf("probability Delay %v needs DelayMax", r.Delay)
	case r.First < 0:
		return fmt.Errorf("field First %d: 0 (all) or more", r.First)
	}
	return nil
}

func (r *FaultRule) names(env *transport.Envelope) bool {
	return in(r.Shards, uint32(env.Shard)) && in(r.Keys, env.Key) && in(r.Kinds, env.Kind) && in(r.Types, env.Type)
}

func in[T comparable](list []T, v T) bool { return len(list) == 0 || slices.Contains(list, v) }

// fault is what happens to one call.
type fault uint8

const (
	faultNone fault = iota
	faultDrop
	faultDropReply
	faultFail
	faultDuplicate
)

// decide draws what the rule does to a call from two numbers of [0, 1).
func (r *FaultRule) decide(what, delay float64) (fault, bool) {
	delayed := delay < r.Delay
	for _, c := range []struct {
		p float64
		f fault
	}{{r.Drop, faultDrop}, {r.DropReply, faultDropReply}, {r.Fail, faultFail}, {r.Duplicate, faultDuplicate}} {
		if what < c.p {
			return c.f, delayed
		}
		what -= c.p
	}
	return faultNone, delayed
}

// pause draws how long a delay is.
func (r *FaultRule) pause(x float64) time.Duration {
	return r.DelayMin + time.Duration(x*float64(r.DelayMax-r.DelayMin))
}

// err makes the error of a failed call.
func (r *FaultRule) err() error {
	if e, ok := r.Err.(*outcome.Error); ok {
		return e
	}
	return outcome.Errorf(r.Err, "injected by the test")
}

// lane is a sequence of calls whose faults depend on nothing outside it: the calls to
// one key, or those to one shard that have no key.
type lane struct {
	kind, key string
	shard     uint32
}

func laneOf(env *transport.Envelope) lane {
	if env.Key != "" {
		return lane{kind: env.Kind, key: env.Key} // wherever its shard is
	}
	return lane{kind: env.Kind, shard: uint32(env.Shard)}
}

// random returns the draws for the n-th call of a lane.
func (l lane) random(seed uint64, n int) func() float64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %q %q %d %d", seed, l.kind, l.key, l.shard, n)
	state := h.Sum64()
	return func() float64 { // splitmix64
		state += 0x9e3779b97f4a7c15
		z := state
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		return float64((z^z>>31)>>11) / (1 << 53)
	}
}
