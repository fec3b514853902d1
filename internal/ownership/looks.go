// When all records are looked at, and what follows from a look

package ownership

import (
	"time"

	"github.com/clstr-go/clstr/internal/record"
)

// looks are snapshots of all records, in case a hint was lost. What a look has found
// concerns most parts, so it is the core that it tells.
type looks struct {
	c       *Core
	members look
	shards  look
}

// look is one kind of snapshot.
type look struct {
	busy  bool
	again bool // the one under way has begun too early: another follows it
	due   time.Duration
	last  time.Duration // when the last was begun
}

// now asks for a look that begins now, or when the one under way has ended.
func (l *look) now(now time.Duration) { l.due, l.again = now, l.busy }

// sooner moves a look forward.
func (l *look) sooner(at time.Duration) { l.due = min(l.due, at) }

// begins reports whether a look is due, and begins it.
func (l *look) begins(now, pause time.Duration) bool {
	if l.busy || now < l.due {
		return false
	}
	l.busy, l.again, l.last, l.due = true, false, now, now+pause
	return true
}

// ifDue looks at all records where that is due.
func (l *looks) ifDue() {
	c := l.c
	if c.own.rev == 0 {
		return
	}
	if l.members.begins(c.now, c.self.Timing.Poll) {
		c.snapshot(record.MemberPrefix, l.sawMembers)
	}
	if l.shards.begins(c.now, c.self.Timing.ShardPoll) {
		c.lineage.look()
		c.snapshot(record.ShardPrefix, l.sawShards)
	}
}

// at looks at one record.
func (l *looks) at(key string) {
	l.c.read(key, func(r Result) {
		if r.Status == Done {
			l.c.see(r.Entries)
		}
	})
}

func (l *looks) sawMembers(r Result) {
	c := l.c
	l.members.busy = false
	if r.Status != Done {
		return
	}
	c.see(r.Entries)
	if c.gone {
		return
	}
	c.members.missing(r)
	c.succession.examine()
	c.lineage.note(r.AsOf)
	if c.members.sawAll(r.AsOf) {
		c.shards.dirty = true // an owner whose record is not there may be gone
	}
	if c.members.asOf >= c.own.rev {
		c.joining.ifSettled()
	}
	if c.own.state == record.Leaving && !c.leaving.lookedAround() {
		l.members.due = c.now
	}
	if l.members.again {
		l.ifDue()
	}
	c.deaths.forgetOld()
}

func (l *looks) sawShards(r Result) {
	c := l.c
	l.shards.busy = false
	if r.Status != Done {
		return
	}
	c.shards.known = true
	c.see(r.Entries)
	if c.gone {
		return
	}
	c.lineage.compare(r)
	c.healing.absent(r)
	c.shards.asOf = max(c.shards.asOf, r.AsOf)
	if c.members.asOf >= c.own.rev {
		c.joining.ifSettled()
	}
	if l.shards.again {
		l.ifDue()
	}
	c.shards.dirty = true
}
