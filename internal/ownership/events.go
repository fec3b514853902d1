// What a core is told, and what it wants done

package ownership

import (
	"time"

	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership"

	"github.com/clstr-go/clstr/outcome"
)

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
		Rev     uint64             // of a write that was done
		Entries []membership.Entry // of a read (one, with Rev 0 for none) or a snapshot
		AsOf    uint64             // of a snapshot
	}
	// Seen are hints of what was written, from anywhere, in any order.
	Seen struct{ Entries []membership.Entry }
	// Opened answers an Open: the shard is served.
	Opened struct {
		Shard uint32
		Epoch uint64
	}
	// Closed answers a Close that drains: nothing of the shard runs any more, and
	// this is what it has cost.
	Closed struct {
		Shard uint32
		Epoch uint64
		Cost  outcome.DrainCounts
	}
	// Ended answers an Examine: the process has surely ended, and nothing of it serves.
	Ended struct{ Member record.Ref }
	// Deaf tells that requests do not reach the node, or that they do again.
	Deaf struct{ Deaf bool }
	// Leave asks the node to hand over its shards and go. If all others leave too, the
	// last of them waits for theirs: for Wait at most, which the first Leave with one
	// says. 0 is without a bound.
	Leave struct{ Wait time.Duration }
)

// Status is how an operation on the store ended.
type Status uint8

// The ends of an operation.
const (
	Done     Status = iota
	Conflict        // surely not written
	Unknown         // it may have been written, or may still be; a read has no answer
	NoStore         // the store itself is not there: [membership.ErrNoRecords]
)

func (Tick) event()   {}
func (Result) event() {}
func (Seen) event()   {}
func (Opened) event() {}
func (Closed) event() {}
func (Leave) event()  {}
func (Ended) event()  {}
func (Deaf) event()   {}

// Effect is something that a core wants done. The set is closed.
type Effect interface{ effect() }

// The effects. Those with an Op are ended by a [Result].
type (
	// Write and the like are operations of a [Store]. Nobody waits for a write without
	// an Op: it is done although the incarnation ends.
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
	// its end, and Closed answers; without, the shard is another's already. Final says
	// that no node is there to take it.
	Close struct {
		Shard uint32
		Epoch uint64
		Drain bool
		Final bool
	}
	// Route tells of a new version of a shard's record, whichever node owns it.
	Route struct {
		Shard  uint32
		Record record.Shard
	}
	// Moved tells that a shard that was served here was handed over.
	Moved struct {
		Shard uint32
		Epoch uint64     // the new one
		To    record.Ref // zero: none yet
	}
	// Waits tells that the node takes no shards for that time, which recent deaths under its name make longer. It
	// may join earlier, if the process before it has ended.
	Waits struct {
		For    time.Duration
		Deaths int
	}
	// Joined tells that the node takes shards from now on.
	Joined struct{}
	// Settled tells, once, that the node serves all shards that it should.
	Settled struct{}
	// Gone tells that this incarnation is over: it has left, another has declared
	// it dead, or the store is gone for so long that every lease has ended. Nothing
	// of it may be served.
	Gone struct {
		State string // Left, Dead or Lost
		By    record.Ref
		// Unleased tells of a lost store that no node can have a lease from the one that
		// is there now: it is gone, or no node has founded a cluster in it.
		Unleased bool
	}
	// StoreGone tells that the store itself is not there.
	StoreGone struct{}
	// Rebased tells that the node has written the cluster's configuration: because
	// it was missing, or because the store has forgotten epochs that the node
	// remembers, which are below Base.
	Rebased struct {
		Base    uint64
		Missing bool
	}
	// Overwritten tells that the cluster's configuration is of another layout, or by a
	// nil error that it is not any more.
	Overwritten struct{ Err error }
	// Mended tells that the node has written a shard's record anew that was removed
	// or not readable.
	Mended struct {
		Shard  uint32
		Record record.Shard
	}
	// Spoiled tells that a member's record is one that no node has written, or that
	// was removed although the member may live. Mended tells that this is over.
	Spoiled struct {
		Member  record.Ref
		Removed bool
		Mended  bool
	}
	// Superseded tells that a newer process with the node's name has come; the
	// core leaves.
	Superseded struct{ By record.Ref }
	// Foreign tells that the members that were there before host other kinds, among
	// them this one; the core leaves.
	Foreign struct {
		By    record.Ref
		Kinds []string
	}
	// Examine asks whether the process of an earlier life of the node has ended. [Ended]
	// answers if it surely has.
	Examine struct {
		Member  record.Ref
		Process record.Process
	}
	// Declared tells that the node has declared another dead. Ended: it is the node's own
	// earlier process, which has ended.
	Declared struct {
		Member record.Ref
		Ended  bool
	}
	// Reconnect tells that the store has not answered twice in a row.
	Reconnect struct{}
)

func (Write) effect()       {}
func (Read) effect()        {}
func (Snapshot) effect()    {}
func (Lease) effect()       {}
func (Open) effect()        {}
func (Close) effect()       {}
func (Route) effect()       {}
func (Moved) effect()       {}
func (Waits) effect()       {}
func (Joined) effect()      {}
func (Settled) effect()     {}
func (Gone) effect()        {}
func (StoreGone) effect()   {}
func (Rebased) effect()     {}
func (Mended) effect()      {}
func (Spoiled) effect()     {}
func (Overwritten) effect() {}
func (Superseded) effect()  {}
func (Foreign) effect()     {}
func (Examine) effect()     {}
func (Declared) effect()    {}
func (Reconnect) effect()   {}
