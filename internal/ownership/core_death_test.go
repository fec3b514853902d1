package ownership

import (
	"fmt"
	"testing"
	"time"

	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/sharding"
)

// joined is a cluster of a and others that renew themselves.
func joined(t *testing.T, timing membership.Timing, others ...record.Ref) *script {
	t.Helper()
	s := newScript(t, timing)
	for _, ref := range others {
		s.alive(ref, record.Member{State: record.Active})
	}
	s.join()
	return s
}

// until runs until the node tells it.
func (s *script) until(line string, most time.Duration) time.Duration {
	s.t.Helper()
	for begun := s.now; s.now < begun+most; s.run(TickEvery) {
		for _, told := range s.told {
			if told == line {
				s.told = nil
				return s.now - begun
			}
		}
	}
	s.t.Fatalf("%q was not told within %v", line, most)
	return 0
}

// TestDeath: declared when a record has not changed for its own lease and Delta,
// not before, and on the version that stood for so long.
func TestDeath(t *testing.T) {
	for lease, want := range map[int64]time.Duration{10_000: 11 * time.Second, 20_000: 21 * time.Second} {
		s := joined(t, membership.Timing{}, refB)
		m := s.member(refB)
		m.LeaseMs = lease
		s.dies(refB)
		last := s.put(record.MemberKey(refB), record.Encode(m))
		s.hint(last)
		s.holdWrites(record.MemberKey(refB))
		s.run(want - TickEvery)
		if len(s.held) > 0 {
			t.Fatalf("lease %d: accused too early", lease)
		}
		s.run(2 * TickEvery)
		w := s.takeWrite(record.MemberKey(refB))
		if w.Rev != last.Rev {
			t.Errorf("on revision %d, want %d", w.Rev, last.Rev)
		}
		s.hold = nil
		s.answer(w)
		if got := s.member(refB); got.State != record.Dead || got.By != refA || got.Counter != m.Counter {
			t.Errorf("the record says %+v", got)
		}
		s.until("declared b.1", time.Second)
	}
}

// TestRenewalDefeatsAccusation: whichever comes first in the store.
func TestRenewalDefeatsAccusation(t *testing.T) {
	s := joined(t, membership.Timing{}, refB)
	m := s.member(refB)
	s.dies(refB)
	s.holdWrites(record.MemberKey(refB))
	s.run(12 * time.Second)
	w := s.takeWrite(record.MemberKey(refB))
	m.Counter += 5
	s.put(record.MemberKey(refB), record.Encode(m)) // and the hint is lost
	s.hold = nil
	s.answer(w)
	s.run(10 * time.Second)
	s.wantCount(0, "declared")
	s.run(2 * time.Second)
	s.wantCount(1, "declared")
}

// TestUnansweredAccusation: tried again, and not more than once in the store.
func TestUnansweredAccusation(t *testing.T) {
	for _, landed := range []bool{false, true} {
		s := joined(t, membership.Timing{}, refB)
		s.dies(refB)
		s.holdWrites(record.MemberKey(refB))
		s.run(12 * time.Second)
		w := s.takeWrite(record.MemberKey(refB))
		if landed {
			s.write(w)
		}
		s.hold = nil
		s.lose(w.Op)
		s.run(2 * time.Second)
		if s.member(refB).State != record.Dead {
			t.Errorf("landed %v: its record is %+v", landed, s.member(refB))
		}
		s.wantCount(len(of("b", "a", "b")), "open")
	}
}

// TestBlindTimeIsNobodysFault: while the node's own renewals fail, those of others
// may have too.
func TestBlindTimeIsNobodysFault(t *testing.T) {
	s := joined(t, membership.Timing{}, refB)
	s.dies(refB) // nothing is seen of it
	s.run(3 * time.Second)
	s.hold = s.unanswered
	s.run(8 * time.Second)
	s.hold = nil
	s.run(10500 * time.Millisecond)
	s.wantCount(0, "declared")
	s.run(time.Second)
	s.wantCount(1, "declared")
}

// TestRankDelaysAccusation: mostly one writes.
func TestRankDelaysAccusation(t *testing.T) {
	last := record.Ref{Name: "z", Incarnation: "1"}
	for before := range 6 {
		var others []record.Ref
		for i := range before {
			others = append(others, record.Ref{Name: fmt.Sprint("m", i), Incarnation: "1"})
		}
		s := newScriptOf(t, Self{Ref: last, Layout: layoutOfScripts, Timing: membership.Timing{}})
		for _, ref := range append(others, refB) {
			s.alive(ref, record.Member{State: record.Active})
		}
		s.join()
		s.dies(refB)
		s.hint(s.putMember(refB, record.Member{State: record.Active, Counter: 99}))
		took := s.until("declared b.1", 20*time.Second)
		if least := 11*time.Second + time.Duration(before)*200*time.Millisecond; took < least || took >= least+2*TickEvery {
			t.Errorf("behind %d others: declared after %v, want %v", before, took, least)
		}
	}
}

var layoutOfScripts = sharding.Layout{NumShards: scriptShards}

// TestWhoCanDie: all but those who have gone, and the node itself.
func TestWhoCanDie(t *testing.T) {
	for state, dies := range map[string]bool{record.Joining: true, record.Active: true, record.Leaving: true, "a newer one": true, record.Left: false, record.Dead: false} {
		s := alone(t)
		s.hint(s.putMember(refB, record.Member{State: state}))
		s.run(15 * time.Second)
		want := 0
		if dies {
			want = 1
		}
		s.wantCount(want, "declared")
	}
}

// TestUnknownOwner: if the node does not know a shard's owner, it may just not
// have seen the owner yet. If a look at the members, as new as the shard's record, does not show
// it, its record was removed, and it may serve for as long as the longest lease.
func TestUnknownOwner(t *testing.T) {
	s := alone(t)
	s.run(2 * time.Second)
	s.told = nil
	s.asOf = s.rev // what comes now is not seen in snapshots
	hidden := s.put(record.MemberKey(refB), record.Encode(record.Member{State: record.Leaving, LeaseMs: 10_000}))
	id := of("a", "a", "b")[0]
	s.hint(s.putShard(id, record.Shard{Owner: refB, Epoch: 2}))
	s.want(fmt.Sprintf("close %d/1", id)) // another has it by record
	s.run(8 * time.Second)
	s.want()
	s.put(hidden.Key, nil)
	s.asOf = 0 // a look that would show b
	s.run(membership.CalmTiming.Lease)
	s.want("removed b.1")
	s.run(2 * time.Second)
	s.want("declared b.1", "mended b.1", fmt.Sprintf("open %d/3 claim", id))
	if m := s.member(refB); m.State != record.Dead || m.By != refA {
		t.Errorf("its record says %+v", m)
	}
}

// TestForget: of those who have gone for long and own nothing, the first of the
// active removes the records.
func TestForget(t *testing.T) {
	const forget = 30 * time.Second
	old, owns := record.Ref{Name: "old", Incarnation: "1"}, record.Ref{Name: "owns", Incarnation: "1"}
	for name, c := range map[string]struct {
		first record.Ref // beside a
		state string
		want  bool
	}{
		"the first":                     {refB, record.Active, true},
		"behind one that is active":     {record.Ref{Name: "Z", Incarnation: "1"}, record.Active, false}, // before a
		"behind one that is not active": {record.Ref{Name: "Z", Incarnation: "1"}, record.Joining, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, membership.Timing{Forget: forget})
			s.alive(c.first, record.Member{State: c.state})
			s.alive(owns, record.Member{State: record.Active})
			s.join()
			theirs := of("owns", "a", "owns", c.first.Name)[0]
			s.hint(s.putMember(old, record.Member{State: record.Dead}))
			s.hint(s.putShard(theirs, record.Shard{Owner: owns, Epoch: 3}))
			s.dies(owns)
			s.holdClaims(theirs)
			s.hint(s.putMember(owns, record.Member{State: record.Left}))
			s.run(forget - TickEvery)
			if s.store[record.MemberKey(old)].Rev == 0 {
				t.Fatal("removed too early")
			}
			s.run(3 * time.Second)
			if gone := s.store[record.MemberKey(old)].Rev == 0; gone != c.want {
				t.Errorf("removed: %v, want %v", gone, c.want)
			}
			if s.store[record.MemberKey(owns)].Rev == 0 {
				t.Error("the owner of a shard was removed")
			}
			if s.store[record.MemberKey(refA)].Rev == 0 {
				t.Error("it has removed itself")
			}
		})
	}
}

// holdClaims holds what this node writes to a shard's record.
func (s *script) holdClaims(id uint32) { s.holdWrites(record.ShardKey(id)) }

// TestForgetWaits: not before the node is active and knows who owns what.
func TestForgetWaits(t *testing.T) {
	s := newScript(t, membership.Timing{Forget: time.Second, Settle: 20 * time.Second})
	s.putMember(record.Ref{Name: "old", Incarnation: "1"}, record.Member{State: record.Dead})
	s.alive(refB, record.Member{State: record.Active, Counter: 10})
	s.run(15 * time.Second)
	if s.store[record.MemberKey(record.Ref{Name: "old", Incarnation: "1"})].Rev == 0 {
		t.Error("a node that only joins has removed a record")
	}

	s = newScript(t, membership.Timing{Forget: time.Second})
	s.putMember(record.Ref{Name: "old", Incarnation: "1"}, record.Member{State: record.Dead})
	s.hold = func(e Effect) bool {
		snap, ok := e.(Snapshot)
		return ok && snap.Prefix == record.ShardPrefix
	}
	s.run(10 * time.Second)
	if s.store[record.MemberKey(record.Ref{Name: "old", Incarnation: "1"})].Rev == 0 {
		t.Error("a node that knows no shards has removed a record")
	}
}

// TestRemovalIsNoticed: its hint may be lost, or be followed by one that is older.
func TestRemovalIsNoticed(t *testing.T) {
	for name, lateHint := range map[string]bool{"lost hint": false, "late hint": true} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, membership.Timing{Forget: 5 * time.Second})
			active := s.putMember(refB, record.Member{State: record.Active})
			s.join()
			s.hint(s.putMember(refB, record.Member{State: record.Dead}))
			removed := s.put(record.MemberKey(refB), nil)
			if lateHint {
				s.hint(removed)
				s.hint(active)
			}
			s.run(1250 * time.Millisecond)
			if m := s.core.members.all[refB]; m != nil {
				t.Errorf("it is still known as %+v", m)
			}
			for i := range uint32(scriptShards) {
				if got := s.core.targets.of(i); got != refA {
					t.Errorf("shard %d should be of %v", i, got)
				}
			}
			before := s.writes
			s.run(20 * time.Second)
			if n := s.writes - before; n > 12 {
				t.Errorf("%d writes in 20s at rest", n)
			}
		})
	}
}

// TestOldSnapshotRemovesNobody: who is newer than it cannot be in it.
func TestOldSnapshotRemovesNobody(t *testing.T) {
	s := alone(t)
	s.asOf = s.rev
	s.hint(s.putMember(refB, record.Member{State: record.Active}))
	s.run(5 * time.Second)
	if s.core.members.all[refB] == nil {
		t.Error("it is not known any more")
	}
}
