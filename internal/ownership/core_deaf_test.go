package ownership

import (
	"testing"
	"time"

	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership"
)

// TestDeafNodeRenewsNothing: its lease ends, and it goes on when requests reach it again.
func TestDeafNodeRenewsNothing(t *testing.T) {
	s := joined(t, membership.Timing{}, refB)
	s.step(Deaf{true})
	ctr, until := s.member(refA).Counter, s.lease.Until
	s.run(15 * time.Second)
	if got := s.member(refA); got.Counter != ctr || got.State != record.Active {
		t.Errorf("its record was at renewal %d, and is %+v", ctr, got)
	}
	if s.lease.Until != until || s.core.own.valid() {
		t.Error("its lease goes on")
	}
	s.step(Deaf{false})
	if got := s.member(refA); got.Counter != ctr+1 {
		t.Errorf("it hears, and its record is %+v", got)
	}
	if !s.core.own.valid() {
		t.Error("it hears, and has no lease")
	}
}

// TestDeafForAMoment: less than a lease costs nothing.
func TestDeafForAMoment(t *testing.T) {
	s := joined(t, membership.Timing{}, refB)
	for range 5 {
		s.step(Deaf{true})
		s.run(6 * time.Second)
		if !s.core.own.valid() {
			t.Fatal("its lease has ended within 6 s")
		}
		s.step(Deaf{false})
		s.run(2 * time.Second)
	}
	s.want()
}

// TestDeafNodeLeaves: it says so, and goes on renewing while it hands over.
func TestDeafNodeLeaves(t *testing.T) {
	s := joined(t, membership.Timing{}, refB)
	s.run(TickEvery)
	s.step(Deaf{true})
	s.hold = func(e Effect) bool { c, ok := e.(Close); return ok && c.Drain }
	s.step(Leave{})
	if got := s.member(refA); got.State != record.Leaving {
		t.Fatalf("its record says %+v", got)
	}
	s.run(20 * time.Second)
	if !s.core.own.valid() {
		t.Error("its lease has ended while it hands over")
	}
	s.hold = nil
	for len(s.held) > 0 {
		s.answer(take[Close](s, nil))
	}
	s.run(time.Second)
	if got := s.member(refA); got.State != record.Left {
		t.Errorf("its record says %+v", got)
	}
}

// TestDeafNodeJoinsLater: it takes no shards that it could not serve.
func TestDeafNodeJoinsLater(t *testing.T) {
	s := newScript(t, membership.Timing{})
	s.alive(refB, record.Member{State: record.Active, Counter: 10})
	s.step(Deaf{true})
	s.run(8 * time.Second)
	if got := s.member(refA); got.State != record.Joining {
		t.Errorf("its record says %+v", got)
	}
	s.step(Deaf{false})
	s.run(3 * time.Second)
	if got := s.member(refA); got.State != record.Active {
		t.Errorf("it hears, and its record says %+v", got)
	}
}
