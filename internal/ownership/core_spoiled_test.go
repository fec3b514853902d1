package ownership

import (
	"math"
	"testing"
	"time"

	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership"
)

// TestUnreadableMember: a record that no node has written counts as dead once it has
// stood for as long as the longest lease. One that changes does not: a newer version
// may write it.
func TestUnreadableMember(t *testing.T) {
	for _, spoiled := range []string{`{"state":"active","ctr":"seven","lease_ms":10000}`, "x", "{}", `{"state":"active"}`} {
		t.Run(spoiled, func(t *testing.T) {
			s := newScript(t, membership.Timing{})
			for i := range uint32(scriptShards) {
				s.putShard(i, record.Shard{Owner: refB, Epoch: 4})
			}
			e := s.put(record.MemberKey(refB), []byte(spoiled))
			s.join()
			for range 5 {
				s.run(membership.CalmTiming.Lease)
				s.wantCount(0, "declared")
				e = s.put(record.MemberKey(refB), append(e.Value, ' '))
			}
			s.run(membership.CalmTiming.Lease)
			s.wantCount(0, "open")
			if s.store[e.Key].Rev != e.Rev {
				t.Errorf("the record was overwritten: %s", s.store[e.Key].Value)
			}
			s.run(3 * time.Second)
			s.wantCount(1, "declared")
			if m := s.member(refB); m.State != record.Dead || m.By != refA {
				t.Errorf("the record says %+v", m)
			}
			s.run(time.Second)
			if rec := s.shard(3); rec.Owner == refB {
				t.Errorf("the shard's record says %+v", rec)
			}
		})
	}
}

// TestKnownMemberIsSpoiled: it keeps what was known of it, and dies as any other. One
// that had gone stays gone.
func TestKnownMemberIsSpoiled(t *testing.T) {
	s := joined(t, membership.Timing{}, refB)
	s.dies(refB)
	s.hint(s.put(record.MemberKey(refB), []byte(`[]`)))
	s.want("spoiled b.1")
	s.run(10 * time.Second)
	s.want()
	s.run(2 * time.Second)
	s.wantCount(1, "declared")
	s.run(time.Second)
	s.told = nil
	s.hint(s.put(record.MemberKey(refB), []byte(`{}`)))
	s.run(time.Minute)
	s.want()
}

// TestOwnRecordIsSpoiled: the node ends what it serves, and says that it is dead. What
// stood in the record before may have said so too.
func TestOwnRecordIsSpoiled(t *testing.T) {
	for _, spoiled := range []string{"x", "{}", "[]", `{"state":7}`} {
		for _, heard := range []bool{true, false} {
			s := established(t, membership.Timing{})
			e := s.put(record.MemberKey(refA), []byte(spoiled))
			if heard {
				s.hint(e)
			} else {
				s.run(3 * time.Second)
			}
			s.wantCount(scriptShards, "close")
			if s.told[0] != "spoiled a.1" || s.told[len(s.told)-1] != `gone dead by "a.1"` {
				t.Errorf("%s: %q", spoiled, s.told)
			}
			if m := s.member(refA); m.State != record.Dead || m.By != refA || m.LeaseMs != 10_000 {
				t.Errorf("%s: the record says %+v", spoiled, m)
			}
			writes := s.writes
			s.run(time.Minute)
			if s.writes != writes {
				t.Errorf("%s: what has ended has written", spoiled)
			}
		}
	}
}

// TestHealedWaitsForTheSpoiled: a member whose record says nothing may not have seen
// that a shard has another owner.
func TestHealedWaitsForTheSpoiled(t *testing.T) {
	s := newScript(t, membership.Timing{})
	s.putShard(3, record.Shard{Owner: refB, Epoch: 4})
	s.put(record.ShardKey(3), nil)
	s.put(record.MemberKey(refB), []byte("x"))
	s.run(membership.CalmTiming.Lease)
	s.wantCount(0, "open 3/")
	s.run(5 * time.Second)
	s.wantCount(1, "open 3/")
}

// TestLeaseThatIsNone: a record may say anything of its lease. Its node is not
// declared dead early for a number that overflows, or is none.
func TestLeaseThatIsNone(t *testing.T) {
	for _, lease := range []int64{math.MaxInt64, math.MaxInt64 / 1_000_000, membership.MaxLease.Milliseconds() + 1, 0, -1, math.MinInt64} {
		s := joined(t, membership.Timing{}, refB)
		m := s.member(refB)
		m.LeaseMs = lease
		s.dies(refB)
		s.hint(s.put(record.MemberKey(refB), record.Encode(m)))
		s.run(membership.CalmTiming.Lease)
		if got := s.member(refB); got.State != record.Active {
			t.Errorf("lease_ms %d: the record says %+v", lease, got)
		}
		s.run(time.Minute)
		if got := s.member(refB); (got.State == record.Active) != (lease > 0) {
			t.Errorf("lease_ms %d: a minute later the record says %+v", lease, got)
		}
	}
}
