package ownership

import (
	"fmt"
	"testing"
	"time"

	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership"
)

// TestLastNodeReleases: its shards wait for whom comes next.
func TestLastNodeReleases(t *testing.T) {
	s := established(t, membership.Timing{})
	s.step(Leave{})
	s.wantCount(scriptShards, "drain")
	s.wantCount(scriptShards, "moved")
	s.wantCount(1, "gone left")
	for i := range uint32(scriptShards) {
		if got, want := s.shard(i), (record.Shard{Epoch: 2, Why: record.Released, From: refA}); got != want {
			t.Errorf("shard %d: %+v, want %+v", i, got, want)
		}
	}
	if got := s.member(refA); got.State != record.Left {
		t.Errorf("its record is %+v", got)
	}
	next := newScriptOf(t, Self{Ref: refB, Layout: layoutOfScripts})
	next.store, next.log, next.rev, next.first = s.store, s.log, s.rev, s.first
	next.step(Tick{})
	next.wantCount(scriptShards, "open")
	next.wantCount(1, "open 4/3 claim")
}

// TestLeaveWaits for what is being claimed: it is the owner, and hands it over.
func TestLeaveWaits(t *testing.T) {
	s := newScript(t, membership.Timing{})
	s.hold = func(e Effect) bool { w, ok := e.(Write); return ok && w.Key == record.ShardKey(3) }
	s.run(time.Second)
	s.step(Leave{})
	s.step(Leave{})
	s.run(5 * time.Second)
	s.wantCount(0, "gone")
	s.wantCount(scriptShards-1, "moved")
	s.hold = nil
	s.answer(s.held[0])
	s.wantCount(scriptShards, "moved")
	s.wantCount(1, "gone left")
	s.wantCount(1, "open 3/1 claim")
}

// TestLeaveWhileOpening: what cannot be opened, because the connection is down
// say, does not hold up a leave.
func TestLeaveWhileOpening(t *testing.T) {
	s := newScript(t, membership.Timing{})
	s.hold = func(e Effect) bool { o, ok := e.(Open); return ok && o.Shard == 3 }
	s.run(time.Second)
	s.step(Leave{})
	s.wantCount(1, "drain 3/1")
	s.wantCount(scriptShards, "moved")
	s.wantCount(1, "gone left")
}

// TestShardComesWhileLeaving: one that has not seen it leave hands it a shard. It
// takes it, and hands it on.
func TestShardComesWhileLeaving(t *testing.T) {
	s := established(t, membership.Timing{})
	theirs := of("b", "a", "b")
	s.comes(refB)
	s.hold = func(e Effect) bool { _, ok := e.(Close); return ok }
	s.step(Leave{})
	s.hint(s.putShard(theirs[0], record.Shard{Owner: refA, Epoch: 3, Why: record.HandedOver, From: refB}))
	s.run(time.Second)
	s.wantCount(1, fmt.Sprintf("open %d/3 handoff", theirs[0]))
	s.wantCount(0, "gone")
	s.hold = nil
	for _, e := range s.held {
		s.answer(e)
	}
	s.held = nil
	s.run(time.Second)
	s.wantCount(1, fmt.Sprintf("moved %d/4 to b.1", theirs[0]))
	s.wantCount(1, "gone left")
}

// TestShardComesWhenLeft: once its record may say that it has left, others may
// claim what it owns. So it serves nothing more.
func TestShardComesWhenLeft(t *testing.T) {
	for name, sent := range map[string]bool{"before the write lands": false, "after it": true} {
		t.Run(name, func(t *testing.T) {
			s := established(t, membership.Timing{})
			s.comes(refB)
			s.hold = func(e Effect) bool {
				w, ok := e.(Write)
				return ok && w.Key == record.MemberKey(refA) && s.core.own.record.State == record.Left
			}
			s.step(Leave{})
			left := s.takeWrite(record.MemberKey(refA))
			s.told = nil
			if sent {
				s.write(left) // and the answer is on its way
			}
			for _, id := range of("b", "a", "b") {
				s.hint(s.putShard(id, record.Shard{Owner: refA, Epoch: 3, Why: record.HandedOver, From: refB}))
			}
			s.run(400 * time.Millisecond)
			s.want()
			s.hold = nil
			s.lose(left.Op)
			s.run(time.Second)
			s.want(`gone left by ""`)
		})
	}
}

// TestLeaveBeforeAnybodyKnows: at once; and where the first write is under way,
// when it is known.
func TestLeaveBeforeAnybodyKnows(t *testing.T) {
	s := newScript(t, membership.Timing{})
	s.step(Leave{})
	s.want(`gone left by ""`)
	if len(s.log) > 0 {
		t.Errorf("it has written %+v", s.log)
	}
	s.run(time.Second)
	s.want()

	for _, landed := range []bool{true, false} {
		s := newScript(t, membership.Timing{})
		s.holdWrites(record.MemberKey(refA))
		s.step(Tick{})
		w := s.takeWrite(record.MemberKey(refA))
		s.step(Leave{})
		if landed {
			s.write(w)
		}
		s.hold = nil
		s.lose(w.Op)
		s.run(time.Second)
		s.want(`gone left by ""`)
		if got := s.member(refA); got.State != record.Left {
			t.Errorf("landed %v: its record is %+v", landed, got)
		}
	}
}

// TestLeaveWhileJoining: it takes nothing any more.
func TestLeaveWhileJoining(t *testing.T) {
	s := newScript(t, membership.Timing{})
	s.alive(refB, record.Member{State: record.Active, Counter: 10})
	s.run(time.Second)
	s.step(Leave{})
	s.run(5 * time.Second)
	s.want("waits 3s, 0 deaths", `gone left by ""`)
}

// TestLeaverClaimsNothing: also before its wish is known to the store.
func TestLeaverClaimsNothing(t *testing.T) {
	s := established(t, membership.Timing{})
	s.holdWrites(record.MemberKey(refA))
	s.step(Leave{})
	s.told = nil
	s.hint(s.putShard(2, record.Shard{Epoch: 9, Why: record.Released}))
	s.run(time.Second)
	s.want("close 2/1")
	if got := s.shard(2); !got.Owner.IsZero() {
		t.Errorf("it has claimed %+v", got)
	}
}

// TestSuperseded: by a process of its name that came later and takes shards, and
// by no other.
func TestSuperseded(t *testing.T) {
	other := record.Ref{Name: "a", Incarnation: "2"}
	for name, c := range map[string]struct {
		m    record.Member
		want int
	}{
		"newer":                 {record.Member{State: record.Active}, 1},
		"newer, which joins":    {record.Member{State: record.Joining}, 0},
		"newer, which has died": {record.Member{State: record.Dead}, 0},
		"older":                 {record.Member{State: record.Active, Born: 1}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := established(t, membership.Timing{})
			s.hint(s.putMember(other, c.m))
			s.wantCount(c.want, "superseded by a.2")
			s.run(time.Second)
			s.wantCount(c.want, "superseded by a.2")
			s.wantCount(c.want, "gone left")
			s.wantCount(c.want*scriptShards, "moved")
			for i := range uint32(scriptShards) {
				want := refA
				if c.want == 1 {
					want = other
				}
				if got := s.shard(i); got.Owner != want {
					t.Errorf("shard %d: %+v, want %v", i, got, want)
				}
			}
		})
	}
}

// TestNewerTakesOverWhenActive: what it joins with is not yet known to own
// anything.
func TestNewerTakesOverWhenActive(t *testing.T) {
	s := established(t, membership.Timing{})
	other := record.Ref{Name: "a", Incarnation: "2"}
	s.hint(s.putMember(other, record.Member{State: record.Joining}))
	born := s.rev
	s.run(time.Second)
	s.want()
	s.hint(s.putMember(other, record.Member{State: record.Active, Born: born, Counter: 2}))
	s.wantCount(1, "superseded by a.2")
	s.wantCount(scriptShards, "moved")
}

// TestAskedToLeave: who may write a node's record may ask it to leave, by the
// state in it. It hands over and goes, whatever else is under way.
func TestAskedToLeave(t *testing.T) {
	ask := func(s *script) membership.Entry {
		m := s.member(refA)
		m.State = record.Leaving
		return s.putMember(refA, m)
	}
	gone := func(t *testing.T, s *script) {
		t.Helper()
		s.run(5 * time.Second)
		s.wantCount(1, "gone left")
		if got := s.member(refA); got.State != record.Left {
			t.Errorf("its record is %+v", got)
		}
	}
	t.Run("hint", func(t *testing.T) {
		s := established(t, membership.Timing{})
		s.comes(refB)
		lease := s.lease
		s.hint(ask(s))
		if s.lease != lease {
			t.Errorf("what it did not send counts for its lease: %+v", s.lease)
		}
		gone(t, s)
		for i := range uint32(scriptShards) {
			if got := s.shard(i); got.Owner != refB {
				t.Errorf("shard %d: %+v", i, got)
			}
		}
	})
	t.Run("the hint is lost", func(t *testing.T) {
		s := established(t, membership.Timing{})
		ask(s)
		gone(t, s)
		s.wantCount(scriptShards, "moved")
	})
	t.Run("a renewal is under way", func(t *testing.T) {
		s := established(t, membership.Timing{})
		w := s.renewing()
		s.hint(ask(s))
		s.hold = nil
		s.answer(w) // a conflict
		gone(t, s)
		s.wantCount(scriptShards, "moved")
	})
	t.Run("it joins", func(t *testing.T) {
		s := newScript(t, membership.Timing{})
		s.alive(refB, record.Member{State: record.Active, Counter: 10})
		s.run(time.Second)
		s.hint(ask(s))
		s.run(5 * time.Second)
		s.want("waits 3s, 0 deaths", `gone left by ""`)
	})
	t.Run("it has left", func(t *testing.T) {
		s := established(t, membership.Timing{})
		s.holdWrites(record.MemberKey(refA))
		s.step(Leave{})
		asked := ask(s) // before its own wish is there
		w := s.takeWrite(record.MemberKey(refA))
		s.hint(asked)
		s.hold = nil
		s.answer(w) // a conflict
		gone(t, s)
	})
}
