package ownership

import (
	"strings"
	"testing"
	"time"

	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/sharding"
)

var (
	before    = record.Ref{Name: "a", Incarnation: "0"} // the process of node a before refA's
	itsProc   = record.Process{Host: "h", PID: 7, Start: 1}
	ownProc   = record.Process{Host: "h", PID: 8, Start: 2}
	otherHost = record.Process{Host: "i", PID: 7, Start: 1}
)

// restarted is a cluster of a and b, which runs. Node a was killed, and comes again.
func restarted(t *testing.T, was record.Process, state string) *script {
	t.Helper()
	s := newScriptOf(t, Self{Ref: refA, Layout: sharding.Layout{NumShards: scriptShards}, Timing: membership.Timing{}, Cluster: "c", Process: ownProc})
	s.putMember(before, record.Member{State: state, Counter: 10, Process: was})
	s.alive(refB, record.Member{State: record.Active, Counter: 10})
	for _, id := range of("a", "a", "b") {
		s.putShard(id, record.Shard{Owner: before, Epoch: 1})
	}
	for _, id := range of("b", "a", "b") {
		s.putShard(id, record.Shard{Owner: refB, Epoch: 1})
	}
	return s
}

// runs lets time pass, with what is known of processes that have ended.
func (s *script) runs(d time.Duration, ended ...record.Process) {
	s.ended = ended
	s.run(d)
}

// TestRestartInPlace: a process that can see that the one before has ended takes its shards over
// at once, and no shard goes to another node meanwhile.
func TestRestartInPlace(t *testing.T) {
	s := restarted(t, itsProc, record.Active)
	mine := of("a", "a", "b")
	s.runs(2*TickEvery, itsProc)
	s.wantCount(len(mine), "open")
	s.wantCount(1, "joined")
	s.wantCount(1, "settled")
	if got := s.member(before); got.State != record.Dead || got.By != refA {
		t.Errorf("the record of the process before says %+v", got)
	}
	if got := s.member(refA); got.Process != ownProc {
		t.Errorf("its own record says that it is process %+v", got.Process)
	}
	for _, id := range mine {
		if got := s.shard(id); got.Owner != refA || got.Epoch != 2 || got.Why != record.Claimed {
			t.Errorf("shard %d: %+v", id, got)
		}
	}
}

// TestRestartJoinsBeforeItDeclares: if the process before were declared dead first, others would
// claim its shards.
func TestRestartJoinsBeforeItDeclares(t *testing.T) {
	s := restarted(t, itsProc, record.Active)
	s.hold = func(e Effect) bool {
		w, ok := e.(Write)
		return ok && w.Key == record.MemberKey(refA) && strings.Contains(string(w.Value), record.Active)
	}
	s.runs(time.Second, itsProc)
	if got := s.member(before); got.State != record.Active {
		t.Errorf("the store does not say yet that the node takes shards, and the process before is %+v", got)
	}
	w := s.takeWrite(record.MemberKey(refA))
	s.hold = nil
	s.answer(w)
	if got := s.member(before); got.State != record.Dead {
		t.Errorf("the node takes shards, and the process before is %+v", got)
	}
}

// TestNoProofNoSuccession: a process keeps its lease if it runs, if this node cannot see it, or if nothing
// is known of it.
func TestNoProofNoSuccession(t *testing.T) {
	for name, c := range map[string]struct {
		was   record.Process
		ended []record.Process
	}{
		"it runs":                     {itsProc, nil},
		"another machine":             {otherHost, []record.Process{otherHost}},
		"a record of an older node":   {record.Process{}, []record.Process{{}}},
		"another process has ended":   {itsProc, []record.Process{{Host: "h", PID: 7, Start: 9}}},
		"a process of a later record": {record.Process{PID: 7, Start: 1}, []record.Process{{PID: 7, Start: 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			s := restarted(t, c.was, record.Active)
			s.runs(9*time.Second, c.ended...)
			s.wantCount(0, "open")
			if got := s.member(before); got.State != record.Active {
				t.Errorf("the record of the process before says %+v", got)
			}
			s.runs(5*time.Second, c.ended...)
			s.wantCount(len(of("a", "a", "b")), "open")
		})
	}
}

// TestOtherNamesKeepTheirLeases: only the node's own earlier processes are looked at.
func TestOtherNamesKeepTheirLeases(t *testing.T) {
	s := restarted(t, itsProc, record.Active)
	s.dies(refB)
	s.hint(s.putMember(refB, record.Member{State: record.Active, Counter: 11, Process: otherHost}))
	s.hint(s.putMember(refC, record.Member{State: record.Active, Counter: 11, Process: record.Process{Host: "h", PID: 9, Start: 1}}))
	s.runs(5*time.Second, itsProc, otherHost, record.Process{Host: "h", PID: 9, Start: 1})
	if s.member(refB).State != record.Active || s.member(refC).State != record.Active {
		t.Error("another node was declared dead within its lease")
	}
}

// TestProofComesLater: a process that ends while the next one settles.
func TestProofComesLater(t *testing.T) {
	s := restarted(t, itsProc, record.Active)
	s.runs(time.Second)
	s.want("waits 3s, 0 deaths")
	s.runs(2*TickEvery, itsProc)
	s.wantCount(len(of("a", "a", "b")), "open")
}

// TestRenewalOfTheEnded: what the process before has sent may arrive after its end.
func TestRenewalOfTheEnded(t *testing.T) {
	s := restarted(t, itsProc, record.Active)
	s.holdWrites(record.MemberKey(before))
	s.runs(time.Second, itsProc)
	w := s.takeWrite(record.MemberKey(before))
	s.putMember(before, record.Member{State: record.Active, Counter: 11, Process: itsProc}) // and the hint is lost
	s.hold = nil
	s.answer(w)
	s.runs(2*TickEvery, itsProc)
	if got := s.member(before); got.State != record.Dead || got.Counter != 11 {
		t.Errorf("the record of the process before says %+v", got)
	}
	s.wantCount(len(of("a", "a", "b")), "open")
}

// TestRestartsAgainAndAgain: a process that dies each time waits in the end, and its shards go to
// others meanwhile.
func TestRestartsAgainAndAgain(t *testing.T) {
	s := restarted(t, itsProc, record.Active)
	for _, inc := range []string{"x", "y", "z"} {
		s.put(record.MemberKey(record.Ref{Name: "a", Incarnation: inc}), record.Encode(record.Member{State: record.Dead, Counter: 3}))
	}
	s.runs(3*time.Second, itsProc)
	s.want("waits 24s, 3 deaths", "declared a.0")
	if s.member(refA).State != record.Joining {
		t.Error("it has not waited")
	}
	s.runs(30*time.Second, itsProc)
	if s.member(refA).State != record.Active {
		t.Error("it has not joined")
	}
}

// TestRestartOfOneThatLeft: a process that was killed while it left, or before it took shards, is
// declared dead at once. The next one joins as any node does.
func TestRestartOfOneThatLeft(t *testing.T) {
	for _, state := range []string{record.Leaving, record.Joining} {
		s := restarted(t, itsProc, state)
		s.runs(time.Second, itsProc)
		s.want("waits 3s, 0 deaths", "declared a.0")
		if got := s.member(before); got.State != record.Dead {
			t.Errorf("%s: the record says %+v", state, got)
		}
		if s.member(refA).State != record.Joining {
			t.Errorf("%s: it has not settled", state)
		}
	}
}
