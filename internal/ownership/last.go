// Leaving, and which node stays for the others if all leave

package ownership

import (
	"time"

	"github.com/clstr-go/clstr/internal/record"
)

// A node that leaves says so first, in its record, and looks at the other records before it hands
// anything over. So the store says in which order nodes leave, and each node knows all nodes
// that have begun to leave before it. If no node takes shards any more, the nodes that leave hand
// over to the last of them. The last node has shut nothing yet, and serves the requests of the other
// nodes' stop hooks. When the others have gone, it ends all of its shards together. Before it believes that the others have no
// shards, it looks at the shards' records, because it may have missed hints.

// lookFor is how long a node that leaves waits for a look at the others' records, or at the shards'.
const lookFor = time.Second

// leaving is how the node hands over and goes.
type leaving struct {
	*operations
	own     *own
	members *members
	targets *targets
	shards  *shards
	healing *healing
	looks   *looks

	lookTill   time.Duration // see lookedAround
	seeTill    time.Duration // see seesShards; 0: it has not asked for a look
	stayTill   time.Duration // see endsAsLast; 0: without a bound
	last       bool          // no other node has shards that must come here
	superseded record.Ref
}

// leave begins to go. It is idempotent.
func (l *leaving) leave(wait time.Duration) {
	o := l.own
	if l.stayTill == 0 && wait > 0 {
		l.stayTill = l.now + wait
	}
	switch {
	case o.rev == 0 && !o.busy: // no other node knows of it
		l.shards.end(Gone{State: record.Left})
	case o.record.State == record.Joining || o.record.State == record.Active:
		o.goAway()
		o.become(o.record.State)
	}
}

// giveWayTo leaves when a later process with the node's name takes
// shards. The store says which process is the later.
func (l *leaving) giveWayTo(ref record.Ref) {
	m := l.members.all[ref]
	if ref.Name != l.self.Name || l.own.rev == 0 || m.State != record.Active || !l.superseded.IsZero() || m.Born < l.own.record.Born {
		return
	}
	l.superseded = ref
	l.emit(Superseded{ref})
	l.leave(0)
}

// begun is called when others can see that the node leaves.
func (l *leaving) begun() {
	l.lookTill = l.now + lookFor
	l.looks.members.now(l.now)
}

// ifEmpty ends a leave when nothing is owned any more, or is to come.
func (l *leaving) ifEmpty() {
	if l.own.state != record.Leaving || l.own.record.State != record.Leaving || l.shards.busy > 0 || l.healing.waiting || l.stays() || !l.lookedAround() {
		return
	}
	l.own.become(record.Left)
}

// lookedAround reports whether the node knows of all that said before it that they leave,
// or has waited long enough for that.
func (l *leaving) lookedAround() bool {
	m := l.members.all[l.self.Ref]
	return m != nil && m.State == record.Leaving && (l.members.asOf >= m.Leaves || l.now >= l.lookTill)
}

// stays reports whether the node leaves and takes the shards of others that leave.
func (l *leaving) stays() bool {
	return l.targets.stayer == l.self.Ref && l.own.record.State == record.Leaving
}

// endsAsLast decides that the last node to leave ends its own shards: no other node has any, or
// its shards would not end in time otherwise.
func (l *leaving) endsAsLast() bool {
	if l.last || !l.stays() || !l.lookedAround() {
		return false
	}
	late := l.stayTill > 0 && l.now >= l.stayTill
	l.last = late || l.shards.changed() && l.seesShards() && !l.shards.othersHaveOne()
	return l.last
}

// seesShards reports whether the node knows the owner of each shard at the moment when it said that it leaves, or has waited long
// enough for a look at the records.
func (l *leaving) seesShards() bool {
	if l.shards.asOf >= l.members.all[l.self.Ref].Leaves {
		return true
	}
	if l.seeTill == 0 {
		l.seeTill = l.now + lookFor
		l.looks.shards.now(l.now)
		l.looks.ifDue()
	}
	return l.now >= l.seeTill
}
