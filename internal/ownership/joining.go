// When the node takes shards

package ownership

import (
	"time"

	"github.com/clstr-go/clstr/internal/record"
)

// joining is the wait of a node before it takes shards.
type joining struct {
	*operations
	own     *own
	members *members
	shards  *shards
	leaving *leaving
	looks   *looks

	till time.Duration // 0: not yet decided
}

// ifSettled makes a node that has looked around a target for shards. It is
// called when a snapshot of the members has contained its own record.
func (j *joining) ifSettled() {
	if j.own.state != record.Joining || j.own.record.State != record.Joining {
		return
	}
	if j.till == 0 {
		wait, deaths := j.settling()
		if j.till = j.now + wait; wait > 0 {
			j.emit(Waits{wait, deaths})
		}
		j.looks.members.sooner(j.till)
	}
	if j.now >= j.till && j.shards.known && !j.own.deaf && j.mayTakeShards() { // it says what it has seen
		j.own.become(record.Active)
	}
}

// settling is how long the node waits before it takes shards: not at all in a
// cluster that is just being formed, and longer each time after recent deaths
// under its name.
func (j *joining) settling() (wait time.Duration, deaths int) {
	t := j.self.Timing
	if j.members.some(func(_ record.Ref, m *member) bool { return m.State == record.Active && m.Counter > 3 }) {
		wait = t.Settle
	}
	for ref, m := range j.members.all {
		if ref.Name == j.self.Name && m.State == record.Dead {
			deaths++
			wait = min(max(2*wait, t.Settle), t.MaxSettle)
		}
	}
	return wait, deaths
}

// hurry ends the wait before the node takes shards.
func (j *joining) hurry() {
	j.till = -1 // a moment that is past
	if j.members.asOf >= j.own.rev {
		j.ifSettled()
	}
}
