// The node's own record: renewing, joining, being declared dead

package ownership

import (
	"fmt"
	"maps"
	"time"

	"github.com/clstr-go/clstr/membership"
)

// own is the node's own record and the lease that stands on it.
type own struct {
	key    string
	record Member // the version that was written last, or that is to be written
	rev    uint64 // of the newest version known to be in the store; 0 before it is made
	state  string // in that version

	sent       map[uint64]sending // renewals that were sent, by their counters
	busy       bool               // a renewal, or a read after one, is under way
	renewAt    time.Duration
	failures   int // renewals in a row without an answer
	leaseUntil time.Duration
	confirmed  uint64        // the counter of the newest renewal that has succeeded
	lastOK     time.Duration // when a renewal was last known to have succeeded
	settleTill time.Duration // 0: not yet decided
	superseded Ref

	lookTill time.Duration // see lookedAround
	stayTill time.Duration // see endsAsLast; 0: without a bound
	last     bool          // nobody else has shards that are to come here
}

// sending is a renewal that was sent.
type sending struct {
	at   time.Duration
	seen uint64 // the highest revision that the node had seen then: its own is above
}

func (o *own) init(self Self) {
	o.key = MemberKey(self.Ref)
	o.sent = map[uint64]sending{}
	o.record = Member{
		State:   Joining,
		LeaseMs: self.Timing.Lease.Milliseconds(),
		Weight:  self.Weight,
		Zone:    self.Zone,
		Version: self.Version,
		Layout:  fmt.Sprintf("%016x", self.Layout.Fingerprint()),
		Kinds:   self.Kinds,
	}
}

func (c *Core) renewIfDue() {
	if !c.own.busy && c.now >= c.own.renewAt && !c.lineage.forgotten {
		c.renew()
	}
}

// renew writes the next version of the own record. It counts from the moment at
// which it is sent: when the answer comes, others may have seen it for long.
func (c *Core) renew() {
	o := &c.own
	o.busy = true
	o.record.Counter++
	o.record.Seen = c.healing.upTo()
	maps.DeleteFunc(o.sent, func(_ uint64, s sending) bool { return c.now-s.at > c.self.Timing.Lease }) // too old to count
	o.sent[o.record.Counter] = sending{c.now, c.lineage.seen}
	o.renewAt = c.now + c.self.Timing.Renew
	written := o.record
	c.write(o.key, o.rev, written, func(r Result) {
		if r.Status == Done {
			o.busy = false
			c.renewed(r.Rev, written)
			c.wish() // a hint may have been faster than this answer
			return
		}
		if r.Status == Unknown {
			c.unanswered()
		}
		c.lookAtOwn()
	})
}

// confirms reports whether a renewal has succeeded that was sent after the one with
// this counter: the store was the same then, because no other has the version before.
func (o *own) confirms(counter uint64) bool { return o.confirmed > counter }

// unanswered counts renewals that nobody has answered.
func (c *Core) unanswered() {
	o := &c.own
	o.renewAt = c.now + retryAfter
	if o.failures++; o.failures%2 == 0 {
		c.emit(Reconnect{})
	}
}

// lookAtOwn reads what has become of the own record, after a renewal that failed
// or whose answer was lost.
func (c *Core) lookAtOwn() {
	c.read(c.own.key, func(r Result) {
		o := &c.own
		o.busy = false
		if r.Status != Done {
			o.renewAt = c.now + retryAfter
			return
		}
		e := r.Entries[0]
		if e.Rev < o.rev {
			c.lineage.doubt(e.Rev) // the store has forgotten us; one answer may be old, but not for a lease
		} else {
			c.lineage.trust()
		}
		c.seeOwn(e)
		if !c.gone && e.Rev <= o.rev { // what was sent has not arrived, and may yet
			o.renewAt = min(o.renewAt, c.now+retryAfter)
		}
	})
}

// seeOwn takes a version of the own record. One that another has written ends
// this incarnation, or asks it to leave; one of our own that is newer than the
// known one was a renewal whose answer was lost.
func (c *Core) seeOwn(e Entry) {
	o := &c.own
	m, err := membership.Decode[Member](e.Value)
	switch {
	case e.Rev <= o.rev: // old, or not there yet
		return
	case e.Value == nil:
		c.bury(0)
	case err != nil:
		c.bury(e.Rev)
	case m.State == Dead:
		c.end(Dead, m.By)
	default:
		c.renewed(e.Rev, m)
	}
}

// renewed takes a version of the own record that is in the store.
func (c *Core) renewed(rev uint64, m Member) {
	o := &c.own
	if rev <= o.rev {
		return
	}
	if o.rev == 0 {
		o.record.Born = rev
	}
	joined := m.State == Active && o.state != Active
	if m.State == Leaving && o.state != Leaving {
		o.lookTill, c.members.pollAt = c.now+lookFor, c.now
	}
	sent, ours := o.sent[m.Counter]
	if ours && rev <= sent.seen {
		c.lineage.forgot()
	}
	c.lineage.note(rev)
	c.lineage.trust()
	o.rev, o.state, o.failures = rev, m.State, 0
	if o.state == Left {
		c.end(Left, Ref{})
		return
	}
	if joined {
		c.emit(Joined{})
	}
	if o.state == Leaving && (o.record.State == Joining || o.record.State == Active) {
		c.goAway() // not our wish: an operator has written it into our record
	}
	if ours && !c.lineage.forgotten {
		o.confirmed = max(o.confirmed, m.Counter)
		if until := sent.at + c.self.Timing.Lease - c.self.Timing.Margin; until > o.leaseUntil {
			o.leaseUntil = until
			c.emit(Lease{sent.at, until})
		}
	}
	maps.DeleteFunc(o.sent, func(counter uint64, _ sending) bool { return counter <= m.Counter })
	c.liveTick()
	o.lastOK = c.now
	c.members.put(c.self.Ref, m, rev, c.now)
	o.record.Leaves = c.members.all[c.self.Ref].Leaves
	c.wish()
	c.pollIfDue()
	c.shards.dirty = true
}

// wish renews at once where a wish for another state came up meanwhile.
func (c *Core) wish() {
	if o := &c.own; !c.gone && !o.busy && o.rev > 0 && o.record.State != o.state {
		o.renewAt = c.now
		c.renewIfDue()
	}
}

// end is the end of this incarnation. A renewal of it may still be on its way,
// and cannot change a record that is final.
func (c *Core) end(state string, by Ref) { c.endAs(Gone{State: state, By: by}) }

func (c *Core) endAs(gone Gone) {
	c.gone = true
	c.closeAll()
	c.emit(gone)
}

func (c *Core) closeAll() {
	for i := range c.shards.all {
		if s := &c.shards.all[i]; s.phase != idle {
			c.emit(Close{Shard: uint32(i), Epoch: s.epoch})
			c.set(uint32(i), idle, false)
		}
	}
}

// become asks for a state of the own record.
func (c *Core) become(state string) {
	o := &c.own
	o.record.State = state
	if !o.busy {
		o.renewAt = c.now
		c.renewIfDue()
	}
}

// joinIfSettled makes a node that has looked around a target for shards. It is
// called when a snapshot of the members has contained its own record.
func (c *Core) joinIfSettled() {
	o := &c.own
	if o.state != Joining || o.record.State != Joining {
		return
	}
	if o.settleTill == 0 {
		o.settleTill = c.now + c.settling()
		c.members.pollAt = min(c.members.pollAt, o.settleTill)
	}
	if c.now >= o.settleTill && c.shards.known && c.mayTakeShards() { // it says what it has seen
		c.become(Active)
	}
}

// settling is how long the node waits before it takes shards: not at all in a
// cluster that is just being formed, and longer each time after recent deaths
// under its name.
func (c *Core) settling() time.Duration {
	t := c.self.Timing
	wait := time.Duration(0)
	for _, m := range c.members.all {
		if m.State == Active && m.Counter > 3 {
			wait = t.Settle
		}
	}
	for ref, m := range c.members.all {
		if ref.Name == c.self.Name && m.State == Dead {
			wait = min(max(2*wait, t.Settle), t.MaxSettle)
		}
	}
	return wait
}
