// The node's own record: renewing, joining, being declared dead

package ownership

import (
	"fmt"
	"maps"
	"time"

	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership"
)

// retryAfter is how soon a failed renewal is tried again.
const retryAfter = 250 * time.Millisecond

// own is the node's own record and the lease that stands on it.
type own struct {
	*operations
	members *members
	lineage *lineage
	healing *healing
	shards  *shards
	leaving *leaving
	looks   *looks

	key    string
	record record.Member // the version that was written last, or that is to be written
	rev    uint64        // of the newest version known to be in the store; 0 before it is made
	state  string        // in that version

	sent       map[uint64]sending // renewals that were sent, by their counters
	deaf       bool               // requests do not reach the node
	busy       bool               // a renewal, or a read after one, is under way
	renewAt    time.Duration
	failures   int // renewals in a row without an answer
	leaseUntil time.Duration
	confirmed  uint64        // the counter of the newest renewal that has succeeded
	lastOK     time.Duration // when a renewal was last known to have succeeded
}

// sending is a renewal that was sent.
type sending struct {
	at   time.Duration
	seen uint64 // the highest revision that the node had seen then: its own is above
}

func newOwn(ops *operations) own {
	self := ops.self
	return own{
		operations: ops,
		key:        record.MemberKey(self.Ref),
		sent:       map[uint64]sending{},
		record: record.Member{
			State:   record.Joining,
			LeaseMs: self.Timing.Lease.Milliseconds(),
			Weight:  self.Weight,
			Zone:    self.Zone,
			Version: self.Version,
			Layout:  fmt.Sprintf("%016x", self.Layout.Fingerprint()),
			Kinds:   self.Kinds,
			Process: self.Process,
		},
	}
}

// valid reports whether the node's lease allows it to act.
func (o *own) valid() bool { return o.now < o.leaseUntil }

// leaves reports whether the node says that it leaves.
func (o *own) leaves() bool { return o.record.State == record.Leaving || o.record.State == record.Left }

func (o *own) renewIfDue() {
	if !o.busy && o.now >= o.renewAt && !o.lineage.forgotten && o.worthALease() {
		o.renew()
	}
}

// worthALease: a node that requests do not reach serves nothing, so it does not keep its shards from
// others. It may still say what it wants to be, and it hands over what it can.
func (o *own) worthALease() bool { return !o.deaf || o.leaves() || o.record.State != o.state }

// renew writes the next version of the own record. It counts from the moment at
// which it is sent: when the answer comes, others may have seen it for long.
func (o *own) renew() {
	o.busy = true
	o.record.Counter++
	o.record.Seen = o.healing.upTo()
	maps.DeleteFunc(o.sent, func(_ uint64, s sending) bool { return o.now-s.at > o.self.Timing.Lease }) // too old to count
	o.sent[o.record.Counter] = sending{o.now, o.lineage.seen}
	o.renewAt = o.now + o.self.Timing.Renew
	written := o.record
	o.write(o.key, o.rev, written, func(r Result) {
		if r.Status == Done {
			o.busy = false
			o.renewed(r.Rev, written)
			o.wish() // a hint may have been faster than this answer
			return
		}
		if r.Status == Unknown {
			o.unanswered()
		}
		o.look()
	})
}

// confirms reports whether a renewal has succeeded that was sent after the one with
// this counter: the store was the same then, because no other has the version before.
func (o *own) confirms(counter uint64) bool { return o.confirmed > counter }

// unanswered counts renewals that the store has not answered.
func (o *own) unanswered() {
	o.renewAt = o.now + retryAfter
	if o.failures++; o.failures%2 == 0 {
		o.emit(Reconnect{})
	}
}

// look reads what has become of the own record, after a renewal that failed
// or whose answer was lost.
func (o *own) look() {
	o.read(o.key, func(r Result) {
		o.busy = false
		if r.Status != Done {
			o.renewAt = o.now + retryAfter
			return
		}
		e := r.Entries[0]
		if e.Rev < o.rev {
			o.lineage.doubt(e.Rev) // the store has forgotten us; one answer may be old, but not for a lease
		} else {
			o.lineage.trust()
		}
		o.see(e)
		if !o.gone && e.Rev <= o.rev { // what was sent has not arrived, and may yet
			o.renewAt = min(o.renewAt, o.now+retryAfter)
		}
	})
}

// see takes a version of the own record. One that another has written ends
// this incarnation, or asks it to leave; one of our own that is newer than the
// known one was a renewal whose answer was lost.
func (o *own) see(e membership.Entry) {
	m, err := record.Decode[record.Member](e.Value)
	switch {
	case e.Rev <= o.rev: // old, or not there yet
		return
	case e.Value == nil:
		o.bury(0)
	case err != nil:
		o.bury(e.Rev)
	case m.State == record.Dead:
		o.shards.end(Gone{State: record.Dead, By: m.By})
	default:
		o.renewed(e.Rev, m)
	}
}

// renewed takes a version of the own record that is in the store.
func (o *own) renewed(rev uint64, m record.Member) {
	if rev <= o.rev {
		return
	}
	if o.rev == 0 {
		o.record.Born = rev
	}
	joined := m.State == record.Active && o.state != record.Active
	if m.State == record.Leaving && o.state != record.Leaving {
		o.leaving.begun()
	}
	sent, ours := o.sent[m.Counter]
	if ours && rev <= sent.seen {
		o.lineage.forgot()
	}
	o.lineage.note(rev)
	o.lineage.trust()
	o.rev, o.state, o.failures = rev, m.State, 0
	if o.state == record.Left {
		o.shards.end(Gone{State: record.Left})
		return
	}
	if joined {
		o.emit(Joined{})
	}
	if o.state == record.Leaving && (o.record.State == record.Joining || o.record.State == record.Active) {
		o.goAway() // not our wish: an operator has written it into our record
	}
	if ours && !o.lineage.forgotten {
		o.confirmed = max(o.confirmed, m.Counter)
		if until := sent.at + o.self.Timing.Lease - o.self.Timing.Margin; until > o.leaseUntil {
			o.leaseUntil = until
			o.emit(Lease{sent.at, until})
		}
	}
	maps.DeleteFunc(o.sent, func(counter uint64, _ sending) bool { return counter <= m.Counter })
	o.members.elapse(o.now - o.lastOK)
	o.lastOK = o.now
	o.members.put(o.self.Ref, m, rev)
	o.record.Leaves = o.members.all[o.self.Ref].Leaves
	o.wish()
	o.looks.ifDue()
	o.shards.dirty = true
}

// wish renews at once where a wish for another state came up meanwhile.
func (o *own) wish() {
	if !o.gone && !o.busy && o.rev > 0 && o.record.State != o.state {
		o.renewAt = o.now
		o.renewIfDue()
	}
}

// become asks for a state of the own record.
func (o *own) become(state string) {
	o.record.State = state
	if !o.busy {
		o.renewAt = o.now
		o.renewIfDue()
	}
}

// goAway changes what the node says of itself. One that has never taken shards owns none.
func (o *own) goAway() {
	if o.record.State == record.Joining {
		o.record.State = record.Left
	} else {
		o.record.State = record.Leaving
	}
}
