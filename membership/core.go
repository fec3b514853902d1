package membership

import (
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/clstr-go/clstr/sharding"
	"github.com/clstr-go/clstr/transport"
)

// Self is what a core must know of its node.
type Self struct {
	Ref
	Layout        sharding.Layout
	Timing        Timing
	Weight        float64 // 0 is 1
	Zone, Version string
	Kinds         []string
}

// Validate refuses what cannot work.
func (s Self) Validate() error {
	if s.Name == "" || s.Incarnation == "" {
		return transport.Errorf(transport.ErrBadOption, "a member needs a name and an incarnation")
	}
	if !utf8.ValidString(s.Name) || !utf8.ValidString(s.Layout.Seed) {
		return transport.Errorf(transport.ErrBadOption, "name %q, Seed %q: records are JSON, which carries UTF-8 only", s.Name, s.Layout.Seed)
	}
	if !plain(s.Incarnation) {
		return transport.Errorf(transport.ErrBadOption, "incarnation %q: letters, digits, - and _ only", s.Incarnation)
	}
	if !(s.Weight >= 0 && s.Weight <= 1e6) { // NaN is neither
		return transport.Errorf(transport.ErrBadOption, "Weight %v: 0 (1) to 1,000,000", s.Weight)
	}
	if err := s.Layout.Validate(); err != nil {
		return transport.Errorf(transport.ErrBadOption, "NumShards: %v", err)
	}
	return s.Timing.withDefaults().validate()
}

// Event is something that a core is told. The set is closed.
type Event interface{ event() }

// The events.
type (
	// Tick tells that time has passed.
	Tick struct{}
	// Result ends the effect with the same Op, once.
	Result struct {
		Op      uint64
		Status  Status
		Rev     uint64  // of a write that was done
		Entries []Entry // of a read (one, with Rev 0 for none) or a snapshot
		AsOf    uint64  // of a snapshot
	}
	// Seen are hints of what was written, from anywhere, in any order.
	Seen struct{ Entries []Entry }
	// Opened answers an Open: the shard is served.
	Opened struct {
		Shard uint32
		Epoch uint64
	}
	// Closed answers a Close that drains: nothing of the shard runs any more.
	Closed struct {
		Shard uint32
		Epoch uint64
	}
	// Leave asks the node to hand over its shards and go.
	Leave struct{}
)

// Status is how an operation on the store ended.
type Status uint8

// The ends of an operation.
const (
	Done     Status = iota
	Conflict        // surely not written
	Unknown         // it may have been written, or may still be; a read has no answer
)

func (Tick) event()   {}
func (Result) event() {}
func (Seen) event()   {}
func (Opened) event() {}
func (Closed) event() {}
func (Leave) event()  {}

// Effect is something that a core wants done. The set is closed.
type Effect interface{ effect() }

// The effects. Those with an Op are ended by a [Result].
type (
	// Write and the like are operations of a [Store].
	Write struct {
		Op    uint64
		Key   string
		Rev   uint64
		Value []byte
	}
	Read struct {
		Op  uint64
		Key string
	}
	Snapshot struct {
		Op     uint64
		Prefix string
	}
	// Lease allows the node to serve its shards until then, by its own clock:
	// it counts from the renewal that was sent then.
	Lease struct{ Sent, Until time.Duration }
	// Open asks to serve a shard, after an earlier Close of it has ended.
	// Nobody has served it for Paused before, as far as the owner before knew.
	Open struct {
		Shard  uint32
		Epoch  uint64
		Why    string
		Paused time.Duration
	}
	// Close asks to stop serving a shard. With Drain what has started comes to
	// its end, and Closed answers; without, the shard is another's already.
	Close struct {
		Shard uint32
		Epoch uint64
		Drain bool
	}
	// Route tells of a new version of a shard's record, whoever owns it.
	Route struct {
		Shard  uint32
		Record Shard
	}
	// Moved tells that a shard that was served here was handed over.
	Moved struct {
		Shard uint32
		Epoch uint64 // the new one
		To    Ref    // zero: nobody yet
	}
	// Joined tells that the node takes shards from now on.
	Joined struct{}
	// Settled tells, once, that the node serves all shards that it should.
	Settled struct{}
	// Gone tells that this incarnation is over: it has left, or another has
	// declared it dead. Nothing of it may be served.
	Gone struct {
		State string // Left or Dead
		By    Ref
	}
	// Superseded tells that a newer process with the node's name has come; the
	// core leaves.
	Superseded struct{ By Ref }
	// Declared tells that the node has declared another dead.
	Declared struct{ Member Ref }
	// Reconnect tells that the store has not answered twice in a row.
	Reconnect struct{}
)

func (Write) effect()      {}
func (Read) effect()       {}
func (Snapshot) effect()   {}
func (Lease) effect()      {}
func (Open) effect()       {}
func (Close) effect()      {}
func (Route) effect()      {}
func (Moved) effect()      {}
func (Joined) effect()     {}
func (Settled) effect()    {}
func (Gone) effect()       {}
func (Superseded) effect() {}
func (Declared) effect()   {}
func (Reconnect) effect()  {}

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
	gone    bool
}

// NewCore makes the core of a node that has not yet joined. The caller has
// checked the cluster's Config.
func NewCore(self Self) (*Core, error) {
	if err := self.Validate(); err != nil {
		return nil, err
	}
	self.Timing = self.Timing.withDefaults()
	if self.Weight == 0 {
		self.Weight = 1
	}
	c := &Core{self: self, ends: map[uint64]func(Result){}}
	c.own.init(self)
	if err := c.members.init(self); err != nil {
		return nil, err
	}
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
		if end != nil {
			end(e)
		}
	case Seen:
		c.see(e.Entries)
	case Opened:
		c.opened(e.Shard, e.Epoch)
	case Closed:
		c.closed(e.Shard, e.Epoch)
	case Leave:
		c.leave()
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
	c.shards.dirty = true
}

// settleUp draws the conclusions of what has changed.
func (c *Core) settleUp() {
	if c.members.changed {
		c.members.changed = false
		c.retarget()
		c.shards.dirty = true
	}
	c.reconcileChanged()
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
		if ref, ok := ParseMemberKey(e.Key); ok {
			c.seeMember(ref, e)
		} else if shard, ok := ParseShardKey(e.Key); ok && shard < c.self.Layout.NumShards {
			c.seeShard(shard, e)
		}
		if c.gone {
			return
		}
	}
}

// Now returns the moment of the last Step.
func (c *Core) Now() time.Duration { return c.now }

// valid reports whether the node's lease allows it to act.
func (c *Core) valid() bool { return c.now < c.own.leaseUntil }
