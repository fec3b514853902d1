// Core: how it takes a step

package ownership

import (
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/sharding"
)

// TickEvery is how often a core wants to be told that time has passed.
const TickEvery = 250 * time.Millisecond

// Self is what a core must know of its node.
type Self struct {
	record.Ref
	Layout        sharding.Layout
	Timing        membership.Timing
	Weight        float64 // 0 is 1
	Zone, Version string
	Kinds         []string
	Process       record.Process // zero: not known
	Base          uint64         // of the Config that the caller has checked
	Cluster       string         // the same
	Past          Past           // of the node's incarnations before
}

// Validate refuses what cannot work.
func (s Self) Validate() error {
	if err := record.CheckName(s.Name); err != nil {
		return err
	}
	if !utf8.ValidString(s.Layout.Seed) {
		return outcome.Errorf(outcome.ErrBadOption, "Seed %q: records are JSON, which carries UTF-8 only", s.Layout.Seed)
	}
	if record.CheckName(s.Incarnation) != nil {
		return outcome.Errorf(outcome.ErrBadOption, "incarnation %q: letters, digits, - and _ only", s.Incarnation)
	}
	if !(s.Weight >= 0 && s.Weight <= 1e6) { // NaN is neither
		return outcome.Errorf(outcome.ErrBadOption, "Weight %v: 0 (1) to 1,000,000", s.Weight)
	}
	if err := s.Layout.Validate(); err != nil {
		return outcome.Errorf(outcome.ErrBadOption, "NumShards: %v", err)
	}
	return s.Timing.WithDefaults().Validate()
}

// Core is the part of a member that decides. Events change its state, and it answers with
// effects to carry out. It does no I/O, reads no clock and starts nothing, so
// that a simulation can drive it. It is not safe for concurrent use.
//
// Times are durations since any fixed moment on the node's own monotonic clock.
//
// It hands events to its parts and draws the conclusions. Each part has a state of its
// own, and names the parts that it asks. Only the part itself writes its state, except for a few
// wishes (look sooner, renew sooner, look at all shards):
//
//	own       the node's record, and the lease that stands on it
//	members   what is known of the records of all
//	deaths    which of the others are dead
//	targets   which member should own which shard
//	joining   when the node takes shards
//	succession  earlier processes of the node that have ended
//	leaving   when it hands them over, and goes
//	shards    what is known of the records of shards, and what the node does about each
//	healing   the shards whose records are broken
//	lineage   whether the store is still the one that the node knows
//	looks     when all records are looked at
type Core struct {
	*operations

	own        own
	members    members
	deaths     deaths
	targets    targets
	joining    joining
	succession succession
	leaving    leaving
	shards     shards
	healing    healing
	lineage    lineage
	looks      looks
}

// NewCore makes the core of a node that has not yet joined. The caller has
// checked the cluster's Config.
func NewCore(self Self) (*Core, error) {
	if err := self.Validate(); err != nil {
		return nil, err
	}
	self.Timing = self.Timing.WithDefaults()
	if self.Weight == 0 {
		self.Weight = 1
	}
	assign, err := sharding.NewAssignment(self.Layout, nil)
	if err != nil {
		return nil, err
	}
	ops := &operations{self: self, ends: map[uint64]func(Result){}}
	c := &Core{operations: ops}
	c.own = newOwn(ops)
	c.own.members, c.own.lineage, c.own.healing, c.own.shards, c.own.leaving, c.own.looks = &c.members, &c.lineage, &c.healing, &c.shards, &c.leaving, &c.looks
	c.members = members{operations: ops, all: map[record.Ref]*member{}}
	c.deaths = deaths{operations: ops, own: &c.own, members: &c.members, shards: &c.shards, looks: &c.looks}
	c.targets = newTargets(ops, &c.members, assign)
	c.joining = joining{operations: ops, own: &c.own, members: &c.members, shards: &c.shards, leaving: &c.leaving, looks: &c.looks}
	c.succession = succession{operations: ops, own: &c.own, members: &c.members, deaths: &c.deaths, joining: &c.joining}
	c.leaving = leaving{operations: ops, own: &c.own, members: &c.members, targets: &c.targets, shards: &c.shards, healing: &c.healing, looks: &c.looks}
	c.shards = shards{
		operations: ops, own: &c.own, members: &c.members, targets: &c.targets, leaving: &c.leaving, healing: &c.healing, lineage: &c.lineage,
		all: make([]shard, self.Layout.NumShards),
	}
	c.healing = healing{operations: ops, own: &c.own, members: &c.members, shards: &c.shards, lineage: &c.lineage, looks: &c.looks}
	c.lineage = lineage{operations: ops, own: &c.own, members: &c.members, shards: &c.shards, past: self.Past, base: self.Base}
	c.looks = looks{c: c}
	return c, nil
}

// Step takes an event at a moment of the node's clock, and returns the effects
// to carry out, in order. The slice is valid until the next Step.
func (c *Core) Step(now time.Duration, e Event) []Effect {
	c.now = max(c.now, now)
	c.out = c.out[:0]
	if c.gone {
		return nil
	}
	switch e := e.(type) {
	case Tick:
		c.tick()
	case Result:
		end := c.ended(e.Op)
		c.lineage.result(e.Status)
		if end != nil {
			end(e)
		}
	case Seen:
		c.see(e.Entries)
	case Opened:
		c.shards.opened(e.Shard, e.Epoch)
	case Closed:
		c.shards.closed(e)
	case Ended:
		c.succession.hasEnded(e.Member)
	case Deaf:
		c.own.deaf = e.Deaf
		c.own.renewIfDue()
	case Leave:
		c.leaving.leave(e.Wait)
	default:
		panic(fmt.Sprintf("membership: unknown event %T", e))
	}
	if !c.gone {
		c.settleUp()
	}
	return c.out
}

// tick does what is due.
func (c *Core) tick() {
	c.own.renewIfDue()
	c.looks.ifDue()
	c.deaths.watch()
	c.succession.examine()
	c.succession.declare()
	c.lineage.endIfGone()
	c.shards.dirty = true
}

// settleUp draws the conclusions of what has changed.
func (c *Core) settleUp() {
	if c.members.changed {
		c.succession.declare() // it may take shards now
	}
	for c.members.changed || c.leaving.endsAsLast() {
		c.members.changed = false
		c.targets.follow(c.leaving.last)
		c.shards.dirty = true
	}
	if c.members.saw {
		c.members.saw = false
		c.shards.dirty = c.shards.dirty || c.healing.waiting
	}
	c.shards.reconcileChanged()
	c.healing.hurry()
	c.shards.settledIfServing()
	c.leaving.ifEmpty()
}

// see takes versions of records in any order: only what is newer than the known
// one counts.
func (c *Core) see(entries []membership.Entry) {
	for _, e := range entries {
		c.lineage.note(e.Rev)
		if e.Key == record.ConfigKey {
			c.lineage.look() // a hint may be older than what is there
		} else if ref, ok := record.ParseMemberKey(e.Key); ok {
			if ref == c.self.Ref {
				c.own.see(e)
			} else if c.members.see(ref, e) {
				c.leaving.giveWayTo(ref)
			}
		} else if shard, ok := record.ParseShardKey(e.Key); ok && shard < c.self.Layout.NumShards {
			c.shards.see(shard, e)
		}
		if c.gone {
			return
		}
	}
}

// Self returns what the core was given, with the defaults filled in.
func (c *Core) Self() Self { return c.self }

// Leaving reports whether the node hands over and goes, whatever has asked it to.
func (c *Core) Leaving() bool { return c.own.leaves() }

// Stays reports whether the node leaves and waits for the shards of others that leave.
func (c *Core) Stays() bool { return c.leaving.stays() }

// Wanted returns how many shards the node should serve, by the members that it knows
// of: none before it has joined, and when it leaves.
func (c *Core) Wanted() int { return c.targets.wanted }

// Born returns the revision at which the node's record was made, 0 before it was.
func (c *Core) Born() uint64 { return c.own.record.Born }

// Now returns the moment of the last Step.
func (c *Core) Now() time.Duration { return c.now }

// Past returns what the next incarnation of the node has to remember.
func (c *Core) Past() Past {
	p := c.lineage.past
	if c.lineage.known {
		p.Base = c.lineage.base
	}
	return p
}
