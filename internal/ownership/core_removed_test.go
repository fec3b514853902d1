package ownership

import (
	"fmt"
	"testing"
	"time"

	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership"
)

// TestRemovedMemberMayServe: the record of a member that lives was removed by hand. It may
// serve until its lease ends, so nobody claims from it before, however the removal is seen.
func TestRemovedMemberMayServe(t *testing.T) {
	const lease, delta = 10 * time.Second, time.Second
	for name, c := range map[string]struct {
		state        string
		hint, missed bool
	}{
		"hint":                            {record.Active, true, false},
		"poll":                            {record.Active, false, false},
		"renewal that nobody saw, hint":   {record.Active, true, true},
		"renewal that nobody saw, poll":   {record.Active, false, true},
		"a member that leaves":            {record.Leaving, true, false},
		"one that was joining when seen":  {record.Joining, true, true},
		"one that was joining, by a poll": {record.Joining, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := joined(t, membership.Timing{})
			s.alive(refB, record.Member{State: c.state})
			s.run(5 * time.Second)
			id := of("a", "a")[0]
			s.dies(refB)
			s.hint(s.putShard(id, record.Shard{Owner: refB, Epoch: 2}))
			s.run(900 * time.Millisecond)
			if c.missed {
				s.asOf = s.rev
				m := s.member(refB)
				m.State, m.Counter = record.Active, m.Counter+1
				s.put(record.MemberKey(refB), record.Encode(m))
				s.run(5 * time.Second)
			}
			s.told = nil
			removed := s.put(record.MemberKey(refB), nil) // at most now it has renewed its lease
			s.asOf = 0
			at := s.now
			if c.hint {
				s.hint(removed)
				s.want("removed b.1")
			}
			for s.now < at+lease+delta-TickEvery {
				s.run(TickEvery)
				if s.shard(id).Owner != refB || len(s.store[record.MemberKey(refB)].Value) > 0 {
					t.Fatalf("after %v the shard's record is %+v, the member's %s", s.now-at, s.shard(id), s.store[record.MemberKey(refB)].Value)
				}
			}
			s.run(3 * time.Second)
			if m := s.member(refB); m.State != record.Dead || m.By != refA || s.shard(id).Owner == refB {
				t.Errorf("after %v the record is %+v, the shard's %+v", s.now-at, m, s.shard(id))
			}
			s.wantCount(1, "declared b.1")
		})
	}
}

// TestRemovedMemberComesBack: somebody has put the record back, or the member has said
// itself that it serves nothing any more.
func TestRemovedMemberComesBack(t *testing.T) {
	for _, state := range []string{record.Active, record.Dead} {
		s := joined(t, membership.Timing{}, refB)
		s.dies(refB)
		m := s.member(refB)
		s.hint(s.put(record.MemberKey(refB), nil))
		s.want("removed b.1")
		m.State, m.Counter = state, m.Counter+1
		s.hint(s.put(record.MemberKey(refB), record.Encode(m)))
		if state == record.Active {
			s.want("mended b.1")
			s.run(10 * time.Second)
			s.want()
			continue
		}
		s.wantCount(1, "mended b.1")
		s.wantCount(len(of("b", "a", "b")), "open")
	}
}

// TestOwnRecordIsRemoved: the node ends what it serves, and says that it is dead, so that
// others need not wait.
func TestOwnRecordIsRemoved(t *testing.T) {
	s := established(t, membership.Timing{})
	s.hint(s.put(record.MemberKey(refA), nil))
	s.wantCount(scriptShards, "close")
	if s.told[0] != "removed a.1" || s.told[len(s.told)-1] != `gone dead by "a.1"` {
		t.Errorf("%q", s.told)
	}
	if m := s.member(refA); m.State != record.Dead || m.By != refA || m.LeaseMs != 10_000 {
		t.Errorf("the record says %+v", m)
	}
}

// TestPlannedLeaveIsNoRemoval: a member that has left says so before its record goes, and
// its name is forgotten with the record.
func TestPlannedLeaveIsNoRemoval(t *testing.T) {
	s := joined(t, membership.Timing{}, refB)
	id := of("b", "a", "b")[0]
	s.hint(s.putShard(id, record.Shard{Owner: refB, Epoch: 2}))
	s.dies(refB)
	active := s.store[record.MemberKey(refB)]
	s.told = nil
	left := s.putMember(refB, record.Member{State: record.Left})
	s.hint(left)
	s.wantCount(1, fmt.Sprintf("open %d/", id))
	s.wantCount(0, "removed")
	s.hint(s.put(record.MemberKey(refB), nil))
	s.hint(left)
	s.run(2 * time.Second)
	s.hint(active)
	if m := s.core.members.all[refB]; m != nil {
		t.Errorf("it is still known as %+v", m)
	}
	s.wantCount(0, "removed")
	s.wantCount(0, "declared")
}

// TestRemovedDoesNotRenew: that its record was removed does not show that a member lives.
func TestRemovedDoesNotRenew(t *testing.T) {
	s := newScriptOf(t, Self{Ref: refA, Layout: layoutOfScripts, Kinds: []string{"mine"}})
	s.putMember(refB, record.Member{State: record.Active, Kinds: []string{"theirs"}})
	s.run(time.Second)
	s.hint(s.put(record.MemberKey(refB), nil))
	s.run(5 * time.Second)
	s.wantCount(0, "foreign")
	if s.core.own.state == record.Active {
		t.Error("it takes shards beside a stranger that may live")
	}
	s.run(10 * time.Second)
	s.wantCount(0, "foreign")
	if s.core.own.state != record.Active {
		t.Error("it has not joined")
	}
}

// TestHealedWaitsForTheRemoved: a member that was joining when it was last seen may have
// become active before its record was removed, and may not have seen that a shard has
// another owner.
func TestHealedWaitsForTheRemoved(t *testing.T) {
	s := newScript(t, membership.Timing{})
	s.putShard(3, record.Shard{Owner: refB, Epoch: 4})
	s.put(record.ShardKey(3), nil)
	s.hint(s.putMember(refB, record.Member{State: record.Joining}))
	s.hint(s.put(record.MemberKey(refB), nil))
	s.run(10 * time.Second)
	s.wantCount(0, "open 3/")
	s.run(3 * time.Second)
	s.wantCount(1, "open 3/")
}
