package ownership

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership"
)

// Rules of the core that cost time or writes when they are broken, not safety, so
// that the simulation forgives them.

// TestClaimsOnlyWhatItShould: what another should own is left to it.
func TestClaimsOnlyWhatItShould(t *testing.T) {
	s := newScript(t, membership.Timing{})
	s.alive(refB, record.Member{State: record.Active})
	s.run(5 * time.Second)
	s.wantCount(len(of("a", "a", "b")), "open")
	s.wantCount(0, "drain")
	for i := range uint32(scriptShards) {
		if mine := slices.Contains(of("a", "a", "b"), i); (s.shard(i).Owner == refA) != mine {
			t.Errorf("shard %d: mine %v, its record %+v", i, mine, s.shard(i))
		}
	}
}

// TestReconnectCountsInARow: an answer between two lost ones begins anew.
func TestReconnectCountsInARow(t *testing.T) {
	s := alone(t)
	for range 5 {
		s.lose(s.renewing().Op)
		s.answer(s.renewing())
	}
	s.want()
}

// TestWishComesUpWhileRenewing: it is written when the renewal is answered, not
// when the next is due.
func TestWishComesUpWhileRenewing(t *testing.T) {
	s := alone(t)
	w := s.renewing()
	s.step(Leave{})
	s.hold, s.told = nil, nil
	s.answer(w)
	s.wantCount(1, "gone left")
}

// TestLeaveWinsOverJoin: also where the node had settled meanwhile.
func TestLeaveWinsOverJoin(t *testing.T) {
	s := newScript(t, membership.Timing{})
	s.alive(refB, record.Member{State: record.Active, Counter: 10})
	s.run(time.Second)
	w := s.renewing()
	s.step(Leave{})
	s.run(5 * time.Second)
	s.hold = nil
	s.answer(w)
	s.want("waits 3s, 0 deaths", `gone left by ""`)
}

// TestSettlingIsNotRoundedUp: the look at the end of it comes in time.
func TestSettlingIsNotRoundedUp(t *testing.T) {
	s := newScript(t, membership.Timing{Settle: 1500 * time.Millisecond, Poll: 5 * time.Second})
	s.alive(refB, record.Member{State: record.Active, Counter: 10})
	s.run(1750 * time.Millisecond)
	if s.core.own.state != record.Active {
		t.Error("it has not joined")
	}
}

// TestSupersededOnce: however often the newer one is seen while it leaves.
func TestSupersededOnce(t *testing.T) {
	s := established(t, membership.Timing{})
	s.hold = func(e Effect) bool { c, ok := e.(Close); return ok && c.Shard == 3 }
	s.alive(record.Ref{Name: "a", Incarnation: "2"}, record.Member{State: record.Active})
	s.run(5 * time.Second)
	s.alive(record.Ref{Name: "a", Incarnation: "3"}, record.Member{State: record.Active})
	s.run(5 * time.Second)
	s.wantCount(1, "superseded")
	s.wantCount(0, "gone")
}

// TestWeightChanges: parts follow.
func TestWeightChanges(t *testing.T) {
	s := established(t, membership.Timing{})
	s.hint(s.putMember(refB, record.Member{State: record.Active, Weight: 1}))
	s.hint(s.putMember(refB, record.Member{State: record.Active, Weight: 1e6}))
	for i := range uint32(scriptShards) {
		if got := s.core.targets.of(i); got != refB {
			t.Errorf("shard %d should be of %v", i, got)
		}
	}
}

// TestNobodyIsAccusedByTheBlind: not while the node's own renewals have failed for
// two of them, even if its lease still stands.
func TestNobodyIsAccusedByTheBlind(t *testing.T) {
	s := joined(t, membership.Timing{}, refB)
	s.dies(refB)
	s.run(6500 * time.Millisecond)
	s.hold = func(e Effect) bool {
		w, ok := e.(Write)
		return ok && w.Key == record.MemberKey(refA)
	}
	accused := false
	s.run(2 * time.Second)
	for s.core.own.valid() {
		hold := s.hold
		s.hold = func(e Effect) bool {
			if w, ok := e.(Write); ok && w.Key == record.MemberKey(refB) {
				accused = true
			}
			return hold(e)
		}
		s.run(TickEvery)
		s.hold = hold
	}
	if accused {
		t.Error("the other was accused")
	}
}

// TestOneAccusationAtATime: and what comes of it is done at once.
func TestOneAccusationAtATime(t *testing.T) {
	s := joined(t, membership.Timing{}, refB)
	s.dies(refB)
	s.holdWrites(record.MemberKey(refB))
	s.run(12 * time.Second)
	w := s.takeWrite(record.MemberKey(refB))
	if len(s.held) > 0 {
		t.Errorf("%d more are under way", len(s.held))
	}
	s.hold, s.told = nil, nil
	s.answer(w)
	s.wantCount(len(of("b", "a", "b")), "open")
}

// TestTheDeadDoNotDelay: who has not been seen for long counts for no rank.
func TestTheDeadDoNotDelay(t *testing.T) {
	s := newScriptOf(t, Self{Ref: record.Ref{Name: "z", Incarnation: "1"}, Layout: layoutOfScripts})
	for i := range 6 {
		s.alive(record.Ref{Name: fmt.Sprint("m", i), Incarnation: "1"}, record.Member{State: record.Active})
	}
	s.join()
	clear(s.living)
	s.run(11*time.Second + 2*TickEvery)
	s.wantCount(6, "declared")
}

// TestAnswersOfAnEarlierEpoch: they are not of the one that is held.
func TestAnswersOfAnEarlierEpoch(t *testing.T) {
	s := newScript(t, membership.Timing{})
	s.hold = func(e Effect) bool { o, ok := e.(Open); return ok && o.Shard == 3 }
	s.run(time.Second)
	s.hint(s.putMember(refB, record.Member{State: record.Joining}))
	s.hint(s.putShard(3, record.Shard{Owner: refB, Epoch: 2}))
	s.hint(s.putShard(3, record.Shard{Owner: refA, Epoch: 3, Why: record.HandedOver, From: refB}))
	s.step(Opened{3, s.epoch(3, 1)})
	s.wantCount(0, "settled")
	s.step(Closed{Shard: 3, Epoch: s.epoch(3, 3)})
	s.step(Opened{3, s.epoch(3, 3)})
	s.wantCount(1, "settled")

	s.run(20 * time.Second)
	s.hold = func(e Effect) bool { c, ok := e.(Close); return ok && c.Shard == 3 }
	s.step(Leave{})
	s.told = nil
	s.step(Closed{Shard: 3, Epoch: s.epoch(3, 1)})
	s.want()
	s.step(Closed{Shard: 3, Epoch: s.epoch(3, 3)})
	s.wantCount(1, "gone left")
}

// TestRoutes: each new version of a shard's record is told, once.
func TestRoutes(t *testing.T) {
	s := alone(t)
	var routes []Route
	s.hold = func(e Effect) bool {
		r, ok := e.(Route)
		routes = append(routes, r)
		return ok
	}
	e := s.putShard(2, record.Shard{Owner: refB, Epoch: 2})
	s.hint(e)
	s.hint(e)
	routes = slices.DeleteFunc(routes, func(r Route) bool { return r.Record.Epoch == 0 })
	if want := (Route{2, record.Shard{Owner: refB, Epoch: s.epoch(2, 2), Count: s.epoch(2, 2), Why: record.Claimed}}); len(routes) != 1 || routes[0] != want {
		t.Errorf("told %+v, want %+v", routes, want)
	}
}
