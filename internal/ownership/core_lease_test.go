package ownership

import (
	"strings"
	"testing"
	"time"

	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership"
)

// wantLease compares the moment from which the lease counts.
func (s *script) wantLease(sent time.Duration) {
	s.t.Helper()
	t := s.core.self.Timing
	if want := (Lease{sent, sent + t.Lease - t.Margin}); s.lease != want {
		s.t.Errorf("at %v the lease is %v to %v, want %v to %v", s.now, s.lease.Sent, s.lease.Until, want.Sent, want.Until)
	}
	if s.core.own.leaseUntil != s.lease.Until {
		s.t.Errorf("the core counts on %v, others on %v", s.core.own.leaseUntil, s.lease.Until)
	}
}

// renewing runs to the next renewal and holds it.
func (s *script) renewing() Write {
	s.t.Helper()
	s.holdWrites(record.MemberKey(refA))
	for range 20 {
		if len(s.held) > 0 {
			break
		}
		s.run(TickEvery)
	}
	return s.takeWrite(record.MemberKey(refA))
}

func alone(t *testing.T) *script {
	t.Helper()
	s := newScript(t, membership.Timing{})
	s.join()
	return s
}

// TestLeaseCountsFromTheSending: others may have seen the renewal long before its
// answer came.
func TestLeaseCountsFromTheSending(t *testing.T) {
	s := alone(t)
	w := s.renewing()
	sent, before := s.now, s.lease
	s.run(400 * time.Millisecond)
	if s.lease != before {
		t.Error("the lease is longer before the renewal is answered")
	}
	s.answer(w)
	s.wantLease(sent)
}

// TestAnswerIsLost: the renewal was written; the record tells, and the lease
// counts from that one's sending.
func TestAnswerIsLost(t *testing.T) {
	s := alone(t)
	w := s.renewing()
	sent := s.now
	s.write(w)
	s.run(500 * time.Millisecond)
	s.hold = nil
	s.lose(w.Op)
	s.wantLease(sent)
	s.want()
}

// TestHintComesBeforeTheAnswer: it counts, once.
func TestHintComesBeforeTheAnswer(t *testing.T) {
	s := alone(t)
	w := s.renewing()
	sent := s.now
	r := s.write(w)
	s.now += 100 * time.Millisecond
	s.hint(s.store[w.Key])
	s.wantLease(sent)
	s.hold, s.lease = nil, Lease{}
	s.step(r)
	if (s.lease != Lease{}) {
		t.Error("the answer extends the lease again")
	}
	s.run(3 * time.Second)
	if s.lease.Sent < sent+2*time.Second {
		t.Error("no renewal has followed")
	}
}

// TestRenewalLandsLate: the store was thought not to have it, a second was sent
// on the same revision, and the first comes at last.
func TestRenewalLandsLate(t *testing.T) {
	s := alone(t)
	zombie := s.renewing()
	sent := s.now
	s.run(500 * time.Millisecond)
	s.lose(zombie.Op) // a read then shows the old version
	s.run(retryAfter)
	second := s.takeWrite(zombie.Key)
	if second.Rev != zombie.Rev {
		t.Fatalf("the second is on revision %d, the first on %d", second.Rev, zombie.Rev)
	}
	s.write(zombie)
	s.hold = nil
	s.answer(second)
	s.wantLease(sent)
	s.run(2 * time.Second)
	if s.lease.Sent <= sent {
		t.Error("no renewal has followed")
	}
	s.want()
}

// TestLateRenewalOfAnotherState: a version in the state before lands late; the
// wish for the next state is not lost with it.
func TestLateRenewalOfAnotherState(t *testing.T) {
	s := alone(t)
	zombie := s.renewing() // active
	s.lose(zombie.Op)
	s.step(Leave{})
	leaving := s.takeWrite(zombie.Key)
	s.write(zombie)
	s.hold = nil
	s.answer(leaving) // a conflict
	s.run(time.Second)
	if m := s.member(refA); m.State != record.Left {
		t.Errorf("its record is %+v", m)
	}
}

// TestDeclaredDead: whatever the node was about, it ends.
func TestDeclaredDead(t *testing.T) {
	for name, hold := range map[string]func(Effect) bool{
		"opening": func(e Effect) bool { o, ok := e.(Open); return ok && o.Shard == 3 },
		"serving": nil,
		"draining": func(e Effect) bool {
			c, ok := e.(Close)
			return ok && c.Drain
		},
		"passing": func(e Effect) bool {
			w, ok := e.(Write)
			return ok && strings.HasPrefix(w.Key, record.ShardPrefix) && strings.Contains(string(w.Value), record.HandedOver)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, membership.Timing{})
			s.hold = hold
			s.join()
			s.alive(refB, record.Member{State: record.Active})
			s.run(20 * time.Second)
			owned := 0
			for _, sh := range s.core.shards.all {
				if sh.phase != idle {
					owned++
				}
			}
			if owned == 0 {
				t.Fatal("it owns nothing: the test shows nothing")
			}
			held := s.held
			s.told = nil
			m := s.member(refA)
			m.State, m.By = record.Dead, refB
			s.put(record.MemberKey(refA), record.Encode(m))
			s.run(3 * time.Second) // the renewal conflicts
			s.wantCount(owned, "close ")
			if len(s.told) != owned+1 || s.told[owned] != `gone dead by "b.1"` {
				t.Errorf("told %q", s.told)
			}
			s.told = nil
			s.hold = nil
			for _, e := range held {
				switch e := e.(type) {
				case Open:
					s.step(Opened{e.Shard, e.Epoch})
				case Close:
					s.step(Closed{Shard: e.Shard, Epoch: e.Epoch})
				default:
					s.answer(e)
				}
			}
			s.step(Leave{})
			s.run(20 * time.Second)
			s.want()
			if got := s.member(refA); got.State != record.Dead {
				t.Errorf("its record is %+v afterwards", got)
			}
		})
	}
}

// TestConflictThenOldRead: one read may come from a replica that is late. The node
// goes on; but when every lease has ended and the store still does not know of what
// it had acknowledged, the store has forgotten.
func TestConflictThenOldRead(t *testing.T) {
	s := alone(t)
	old := s.store[record.MemberKey(refA)]
	s.run(4 * time.Second)
	lease := s.lease
	s.hold = func(e Effect) bool { // from now on reads of its record are old, and writes conflict
		switch e := e.(type) {
		case Write:
			s.event(Result{Op: e.Op, Status: Conflict})
			return true
		case Read:
			if e.Key != old.Key {
				return false
			}
			s.event(Result{Op: e.Op, Entries: []membership.Entry{old}})
			return true
		}
		return false
	}
	s.run(lease.Until - s.now - TickEvery)
	s.want()
	if n := len(s.held); n < 10 || n > 80 {
		t.Errorf("%d operations while it tried again, want a few each second", n)
	}
	s.run(2 * TickEvery)
	s.wantCount(0, "gone lost") // others may have renewed for longer than it has
	s.run(membership.DefaultTiming.Renew + membership.DefaultTiming.Delta + membership.DefaultTiming.Margin)
	s.wantCount(1, "gone lost")
}

// TestReconnect: asked for after two renewals without an answer, and after each
// two more.
func TestReconnect(t *testing.T) {
	s := alone(t)
	unanswered := func() {
		s.lose(s.renewing().Op)
	}
	unanswered()
	s.want()
	unanswered()
	s.want("reconnect")
	unanswered()
	s.want()
	unanswered()
	s.want("reconnect")
	s.answer(s.renewing())
	unanswered()
	s.want()
}

// TestOutage: the node does nothing about shards when its lease has ended, asks
// for its renewal at a measured pace, keeps no trace of each, and goes on as it
// was when the store is back.
func TestOutage(t *testing.T) {
	s := alone(t)
	s.hold = s.unanswered
	s.run(10 * time.Minute)
	for _, line := range s.told {
		if line != "reconnect" {
			t.Errorf("told %q in an outage", line)
		}
	}
	if n := len(s.core.own.sent); n > 50 {
		t.Errorf("%d renewals are remembered", n)
	}
	if n := len(s.held); n > 9000 {
		t.Errorf("%d operations in ten minutes", n)
	}
	s.hold, s.held, s.told = nil, nil, nil
	s.run(time.Second)
	s.want()
	if !s.core.own.valid() {
		t.Error("the lease has not come back")
	}
}

// TestNothingIsDoneWithoutALease: no claim and no move.
func TestNothingIsDoneWithoutALease(t *testing.T) {
	s := newScript(t, membership.Timing{})
	s.alive(refB, record.Member{State: record.Active})
	s.join()
	s.holdWrites(record.MemberKey(refA))
	s.run(9 * time.Second) // the lease ends
	s.told = nil
	m := s.member(refB)
	m.State = record.Left
	s.dies(refB)
	s.hint(s.put(record.MemberKey(refB), record.Encode(m)))
	for _, id := range of("b", "a", "b") {
		s.hint(s.putShard(id, record.Shard{Epoch: 7, Why: record.Released}))
	}
	s.alive(refC, record.Member{State: record.Active})
	s.run(10 * time.Second)
	s.want()
	s.hold = nil
	s.answer(s.takeWrite(record.MemberKey(refA)))
	s.run(time.Second)
	if len(s.told) == 0 {
		t.Error("nothing is done when the lease is back")
	}
}

// unanswered holds all operations on the store: of none is known how it has ended.
func (s *script) unanswered(e Effect) bool {
	switch e := e.(type) {
	case Write:
		s.event(Result{Op: e.Op, Status: Unknown})
	case Read:
		s.event(Result{Op: e.Op, Status: Unknown})
	case Snapshot:
		s.event(Result{Op: e.Op, Status: Unknown})
	default:
		return false
	}
	return true
}
