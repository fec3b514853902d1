// Core: how it takes a step

package ownership

import (
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/sharding"
)

// Self is what a core must know of its node.
type Self struct {
	Ref
	Layout        sharding.Layout
	Timing        Timing
	Weight        float64 // 0 is 1
	Zone, Version string
	Kinds         []string
	Base          uint64 // of the Config that the caller has checked
	Past          Past   // of the node's incarnations before
}

// Validate refuses what cannot work.
func (s Self) Validate() error {
	if err := membership.CheckName(s.Name); err != nil {
		return err
	}
	if !utf8.ValidString(s.Layout.Seed) {
		return outcome.Errorf(outcome.ErrBadOption, "Seed %q: records are JSON, which carries UTF-8 only", s.Layout.Seed)
	}
	if membership.CheckName(s.Incarnation) != nil {
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

// Core is the part of a member that decides: a state that events change, and
// effects that it wants. It does no I/O, reads no clock and starts nothing, so
// that a simulation can drive it. It is not safe for concurrent use.
//
// Times are durations since any fixed moment on the node's own monotonic clock.
type Core struct {
	self Self
	now  time.Duration
	out  []Effect
	op   uint64
	ends map[uint64]func(Result) // by op

	own     own
	members members
	shards  shards
	lineage lineage
	healing healing
	gone    bool
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
	c := &Core{self: self, ends: map[uint64]func(Result){}}
	c.own.init(self)
	if err := c.members.init(self); err != nil {
		return nil, err
	}
	c.lineage = lineage{c: c, past: self.Past, base: self.Base}
	c.healing = healing{c: c}
	c.shards.all = make([]shard, self.Layout.NumShards)
	return c, nil
}

// Step takes an event at a moment of the node's clock, and returns what is to be
// done about it, in order. The slice is valid until the next Step.
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
		end := c.ends[e.Op]
		delete(c.ends, e.Op)
		c.lineage.result(e.Status)
		if end != nil {
			end(e)
		}
	case Seen:
		c.see(e.Entries)
	case Opened:
		c.opened(e.Shard, e.Epoch)
	case Closed:
		c.closed(e)
	case Leave:
		c.leave(e.Wait)
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
	c.renewIfDue()
	c.pollIfDue()
	c.watchOthers()
	c.lineage.endIfGone()
	c.shards.dirty = true
}

// settleUp draws the conclusions of what has changed.
func (c *Core) settleUp() {
	for c.members.changed || c.endsAsLast() {
		c.members.changed = false
		c.retarget()
		c.shards.dirty = true
	}
	if c.members.saw {
		c.members.saw = false
		c.shards.dirty = c.shards.dirty || c.healing.waiting
	}
	c.reconcileChanged()
	c.healing.hurry()
	c.settledIfServing()
	c.leaveIfEmpty()
}

func (c *Core) emit(e Effect) { c.out = append(c.out, e) }

// do emits an operation on the store.
func (c *Core) do(make func(op uint64) Effect, end func(Result)) {
	c.op++
	c.ends[c.op] = end
	c.emit(make(c.op))
}

func (c *Core) write(key string, rev uint64, record any, end func(Result)) {
	var value []byte
	if record != nil {
		value = encode(record)
	}
	c.do(func(op uint64) Effect { return Write{op, key, rev, value} }, end)
}

func (c *Core) read(key string, end func(Result)) {
	c.do(func(op uint64) Effect { return Read{op, key} }, end)
}

// see takes versions of records in any order: only what is newer than the known
// one counts.
func (c *Core) see(entries []Entry) {
	for _, e := range entries {
		c.lineage.note(e.Rev)
		if e.Key == ConfigKey {
			c.lineage.look() // a hint may be older than what is there
		} else if ref, ok := ParseMemberKey(e.Key); ok {
			c.seeMember(ref, e)
		} else if shard, ok := ParseShardKey(e.Key); ok && shard < c.self.Layout.NumShards {
			c.seeShard(shard, e)
		}
		if c.gone {
			return
		}
	}
}

// Self returns what the core was given, with the defaults filled in.
func (c *Core) Self() Self { return c.self }

// Leaving reports whether the node hands over and goes, whoever has asked it to.
func (c *Core) Leaving() bool {
	return c.own.record.State == Leaving || c.own.record.State == Left
}

// Born returns the revision at which the node's record was made, 0 before it was.
func (c *Core) Born() uint64 { return c.own.record.Born }

// Now returns the moment of the last Step.
func (c *Core) Now() time.Duration { return c.now }

// valid reports whether the node's lease allows it to act.
func (c *Core) valid() bool { return c.now < c.own.leaseUntil }
