package ownership

import (
	"fmt"
	"testing"
	"time"

	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership"
)

// ends tells the script's node that another leaves, now.
func (s *script) ends(ref record.Ref) {
	m := s.living[ref]
	m.State, m.Counter = record.Leaving, m.Counter+1
	s.hint(s.putMember(ref, *m))
	m.Leaves = s.rev
}

// goes has another leave that owns nothing any more.
func (s *script) goes(ref record.Ref) {
	m := s.living[ref]
	m.State, m.Counter = record.Left, m.Counter+1
	s.hint(s.putMember(ref, *m))
	s.dies(ref)
}

// shared makes a cluster of this node and b, which own what they should.
func shared(t *testing.T) (s *script, theirs []uint32) {
	t.Helper()
	s = established(t, membership.Timing{})
	s.comes(refB)
	s.run(time.Minute)
	s.told = nil
	return s, of("b", "a", "b")
}

// TestLastToLeaveStays: it shuts nothing before the other has gone, takes the other's
// shards, and then ends all of them together.
func TestLastToLeaveStays(t *testing.T) {
	s, theirs := shared(t)
	s.ends(refB)
	s.step(Leave{})
	at := s.store[record.MemberKey(refA)].Rev
	s.hint(s.putShard(theirs[0], record.Shard{Epoch: 90, Why: record.Released}))
	s.run(5 * time.Second)
	s.want() // what nobody has it does not take
	if got := s.member(refA); got.State != record.Leaving || got.Leaves != at {
		t.Errorf("its record is %+v, want the revision %d", got, at)
	}
	if got := s.core.Wanted(); got != 0 || !s.core.Stays() {
		t.Errorf("it wants %d shards, and stays: %v", got, s.core.Stays())
	}
	for i, id := range theirs {
		s.wantCount(0, "drain")
		s.hint(s.putShard(id, record.Shard{Owner: refA, Epoch: s.shard(id).Epoch + 1, Why: record.HandedOver, From: refB}))
		s.wantCount(i+1, "open")
	}
	s.wantCount(scriptShards, "drain")
	s.wantCount(scriptShards, "moved")
	s.wantCount(1, "gone left")
	for i := range uint32(scriptShards) {
		if got := s.shard(i); !got.Owner.IsZero() || got.Why != record.Released {
			t.Errorf("shard %d: %+v", i, got)
		}
	}
}

// TestFirstToLeaveHandsOver its shards to the node that says later that it leaves, also
// where it hears of that before it has begun.
func TestFirstToLeaveHandsOver(t *testing.T) {
	for _, early := range []bool{true, false} {
		s, theirs := shared(t)
		looks := func(e Effect) bool { r, ok := e.(Snapshot); return ok && r.Prefix == record.MemberPrefix }
		closes := func(e Effect) bool { _, ok := e.(Close); return ok }
		s.hold = looks
		if !early {
			s.hold = closes
		}
		s.step(Leave{})
		s.ends(refB)
		s.hold = nil
		for _, e := range s.held {
			s.answer(e)
		}
		s.wantCount(scriptShards-len(theirs), "drain")
		for _, id := range of("a", "a", "b") {
			if got := s.shard(id); got.Owner != refB {
				t.Errorf("early %v: shard %d: %+v", early, id, got)
			}
		}
		s.wantCount(1, "gone left")
	}
}

// TestLooksBeforeItShuts: a node that has said earlier that it leaves counts on this
// one, which may not have heard of it.
func TestLooksBeforeItShuts(t *testing.T) {
	s, _ := shared(t)
	m := s.living[refB]
	m.State = record.Leaving
	m.Leaves = s.putMember(refB, *m).Rev // the hint is lost
	m.Leaves = s.rev
	s.step(Leave{})
	s.run(5 * time.Second)
	s.want()
}

// TestLooksAgain: a look that was under way when the node began to leave is too old. Another follows it at once, not with the next tick.
func TestLooksAgain(t *testing.T) {
	s, theirs := shared(t)
	s.hold = func(e Effect) bool { r, ok := e.(Snapshot); return ok && r.Prefix == record.MemberPrefix }
	for len(s.held) == 0 {
		s.run(TickEvery)
	}
	early := take[Snapshot](s, nil)
	s.asOf = s.rev
	s.step(Leave{})
	s.want()
	s.answer(early)
	s.want()
	s.asOf, s.hold = 0, nil
	s.answer(take[Snapshot](s, nil))
	s.wantCount(scriptShards-len(theirs), "moved")
	s.wantCount(1, "gone left")
}

// TestLookIsNotAnswered: it leaves all the same.
func TestLookIsNotAnswered(t *testing.T) {
	s, theirs := shared(t)
	s.hold = func(e Effect) bool { r, ok := e.(Snapshot); return ok && r.Prefix == record.MemberPrefix }
	s.step(Leave{})
	s.run(lookFor - TickEvery)
	s.want()
	s.run(TickEvery)
	s.wantCount(scriptShards-len(theirs), "moved")
	s.wantCount(1, "gone left")
}

// TestLastToLeaveIsAlone, when the others have died, or have gone with shards that were
// given to them too late: it takes their shards, to serve what is asked of them.
func TestLastToLeaveIsAlone(t *testing.T) {
	for name, c := range map[string]struct {
		how  func(*script)
		most time.Duration
	}{
		"they have died": {func(s *script) { s.dies(refB) }, 13 * time.Second},
		"they have gone": {func(s *script) { s.goes(refB) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s, theirs := shared(t)
			s.ends(refB)
			s.step(Leave{})
			s.want()
			c.how(s)
			s.run(c.most)
			s.wantCount(len(theirs), "open")
			s.wantCount(scriptShards, "moved")
			s.wantCount(1, "gone left")
		})
	}
}

// TestLastToLeaveDies: the one before takes its place.
func TestLastToLeaveDies(t *testing.T) {
	s, theirs := shared(t)
	s.hold = func(e Effect) bool { _, ok := e.(Close); return ok }
	s.step(Leave{})
	s.ends(refB)
	s.dies(refB)
	s.run(13 * time.Second)
	s.wantCount(1, "declared b.1")
	s.wantCount(len(theirs), "open")
	s.hold = nil
	for _, e := range s.held {
		s.answer(e)
	}
	s.wantCount(1, "gone left")
	for i := range uint32(scriptShards) {
		if got := s.shard(i); !got.Owner.IsZero() {
			t.Errorf("shard %d: %+v", i, got)
		}
	}
}

// TestLastToLeaveMissedAHint: the last node does not know that another still has a shard. It looks at the shards' records before it ends
// its own shards. If the look is not answered, it ends them all the same. A look that was under way is too old.
func TestLastToLeaveMissedAHint(t *testing.T) {
	isLook := func(e Effect) bool { r, ok := e.(Snapshot); return ok && r.Prefix == record.ShardPrefix }
	for _, answered := range []bool{true, false} {
		s, theirs := shared(t)
		s.hold = isLook
		for len(s.held) == 0 {
			s.run(TickEvery)
		}
		early := take[Snapshot](s, nil)
		for _, id := range theirs {
			s.core.shards.all[id] = shard{} // as if it had looked before the other claimed them
		}
		s.holdWrites(record.MemberKey(refA))
		s.step(Leave{})
		s.ends(refB)
		s.hold = isLook
		s.answer(s.takeWrite(record.MemberKey(refA)))
		s.asOf = 50 // before all records
		s.answer(early)
		s.asOf = 0
		s.want()
		look := take[Snapshot](s, nil)
		if !answered {
			s.run(lookFor)
			s.wantCount(scriptShards-len(theirs), "moved")
			s.wantCount(1, "gone left")
			continue
		}
		s.hold = nil
		s.answer(look)
		s.run(5 * time.Second)
		s.want()
		for _, id := range theirs {
			s.hint(s.putShard(id, record.Shard{Owner: refA, Epoch: s.shard(id).Epoch + 1, Why: record.HandedOver, From: refB}))
		}
		s.wantCount(scriptShards, "moved")
		s.wantCount(1, "gone left")
	}
}

// TestLastToLeaveStaysNoLonger than it was told.
func TestLastToLeaveStaysNoLonger(t *testing.T) {
	s, theirs := shared(t)
	s.ends(refB)
	s.step(Leave{Wait: 3 * time.Second})
	s.run(3*time.Second - TickEvery)
	s.want()
	s.run(TickEvery)
	s.wantCount(scriptShards-len(theirs), "moved")
	s.wantCount(1, "gone left")
}

// TestComesWhileAllLeave: a node that joins gets the shards from the last to leave.
func TestComesWhileAllLeave(t *testing.T) {
	s, theirs := shared(t)
	s.ends(refB)
	s.step(Leave{})
	s.want()
	s.comes(refC)
	for i := range uint32(scriptShards - len(theirs)) {
		id := of("a", "a", "b")[i]
		s.wantCount(1, fmt.Sprintf("moved %d/%d to c.1", id, s.shard(id).Epoch))
	}
	s.wantCount(1, "gone left")
}

// TestLeavesWithoutShards: one that has none stays for the others as well, unless it has
// never taken any.
func TestLeavesWithoutShards(t *testing.T) {
	for _, active := range []bool{true, false} {
		s := newScript(t, membership.Timing{})
		s.alive(refB, record.Member{State: record.Active, Counter: 10})
		for i := range uint32(scriptShards) {
			s.putShard(i, record.Shard{Owner: refB, Epoch: 1})
		}
		s.run(time.Second)
		if active {
			s.join()
		}
		s.ends(refB)
		s.step(Leave{})
		s.run(5 * time.Second)
		if active {
			s.want()
			continue
		}
		s.want("waits 3s, 0 deaths", `gone left by ""`)
	}
}

// TestOrderOfLeaves: the last node to say that it leaves stays, whatever versions of the
// records are seen.
func TestOrderOfLeaves(t *testing.T) {
	s := established(t, membership.Timing{})
	s.comes(refB)
	s.comes(refC)
	first := s.putMember(refB, record.Member{State: record.Leaving})
	second := s.putMember(refC, record.Member{State: record.Leaving})
	again := s.putMember(refB, record.Member{State: record.Leaving}) // by a node that says no more
	later := s.putMember(refB, record.Member{State: record.Leaving, Leaves: first.Rev})
	s.hold = func(e Effect) bool { _, ok := e.(Close); return ok } // and then it leaves itself
	m := &s.core.members
	m.all[refA].State = record.Dead
	for _, seen := range [][]membership.Entry{{first, again, second}, {second, later, first, again}} {
		m.forget(refB)
		m.forget(refC)
		for _, e := range seen {
			s.hint(e)
		}
		if stayer := s.core.targets.stayer; stayer != refC {
			t.Errorf("%v stays, want %v", stayer, refC)
		}
	}
}
