// Leaving, and which node stays for the others if all leave

package ownership

import (
	"cmp"
	"time"
)

// A node that leaves says so first, in its record, and looks around before it hands
// anything over. So the store says in which order nodes leave, and each knows of all
// that have begun before it. If nobody takes shards any more, the nodes that leave hand
// over to the last of them. It has shut nothing yet, and serves what the others' stop
// hooks ask. When they have gone, it ends all of its shards together.

// lookFor is how long a node that leaves waits for a look at the others' records.
const lookFor = time.Second

// leave begins to go. It is idempotent.
func (c *Core) leave(wait time.Duration) {
	o := &c.own
	if o.stayTill == 0 && wait > 0 {
		o.stayTill = c.now + wait
	}
	switch {
	case o.rev == 0 && !o.busy: // nobody knows of it
		c.end(Left, Ref{})
	case o.record.State == Joining || o.record.State == Active:
		c.goAway()
		c.become(o.record.State)
	}
}

// goAway changes what the node says of itself. One that has never taken shards owns none.
func (c *Core) goAway() {
	if o := &c.own; o.record.State == Joining {
		o.record.State = Left
	} else {
		o.record.State = Leaving
	}
}

// leaveIfEmpty ends a leave when nothing is owned any more, or is to come.
func (c *Core) leaveIfEmpty() {
	if c.own.state != Leaving || c.own.record.State != Leaving || c.shards.busy > 0 || c.healing.waiting || c.stays() || !c.lookedAround() {
		return
	}
	c.become(Left)
}

// lookedAround reports whether the node knows of all that said before it that they leave,
// or has waited long enough for that.
func (c *Core) lookedAround() bool {
	m := c.members.all[c.self.Ref]
	return m != nil && m.State == Leaving && (c.members.asOf >= m.Leaves || c.now >= c.own.lookTill)
}

// lastToLeave is the member that was the last to say that it leaves, of those that have
// not gone. Zero is nobody, or this node and it waits for nothing.
func (c *Core) lastToLeave() (last Ref) {
	for ref, m := range c.members.all {
		if m.State != Leaving {
			continue
		}
		if at := c.members.all[last]; at == nil || cmp.Or(cmp.Compare(m.Leaves, at.Leaves), cmp.Compare(ref.String(), last.String())) > 0 {
			last = ref
		}
	}
	if last == c.self.Ref && c.own.last {
		return Ref{}
	}
	return last
}

// stays reports whether the node leaves and takes the shards of others that leave.
func (c *Core) stays() bool {
	return c.members.stayer == c.self.Ref && c.own.record.State == Leaving
}

// Stays reports whether the node leaves and waits for the shards of others that leave.
func (c *Core) Stays() bool { return c.stays() }

// endsAsLast decides that the last to leave ends its own shards: no other has any, or
// what it has would not end in time.
func (c *Core) endsAsLast() bool {
	o := &c.own
	if o.last || !c.stays() || !c.lookedAround() {
		return false
	}
	late := o.stayTill > 0 && c.now >= o.stayTill
	o.last = late || (c.shards.dirty || len(c.shards.touched) > 0) && !c.awaits()
	return o.last
}

// awaits reports whether another has a shard. It begins where it has last found one.
func (c *Core) awaits() bool {
	all, found := c.shards.all, &c.shards.awaited
	for range all {
		if s := &all[*found]; s.stands == readable && !s.rec.Owner.IsZero() && s.rec.Owner != c.self.Ref {
			return true
		}
		*found = (*found + 1) % len(all)
	}
	return false
}
