package ownership

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership"

	"github.com/clstr-go/clstr/outcome"
)

// established is a node that serves all shards and has done so for long. Others are
// hidden until it is told of them.
func established(t *testing.T, timing membership.Timing) *script {
	t.Helper()
	s := newScript(t, timing)
	s.join()
	s.run(time.Minute)
	s.told = nil
	return s
}

// comes makes a member active and tells of it.
func (s *script) comes(ref record.Ref) {
	s.alive(ref, record.Member{State: record.Active})
	s.hint(s.store[record.MemberKey(ref)])
}

// TestHandOver: drained, closed, written, told; the record says for how long
// nobody has served.
func TestHandOver(t *testing.T) {
	s := established(t, membership.Timing{})
	id := of("b", "a", "b")[0]
	s.hold = func(e Effect) bool { c, ok := e.(Close); return ok && c.Shard == id }
	s.comes(refB)
	for _, other := range of("b", "a", "b")[1:] {
		s.wantCount(1, fmt.Sprintf("moved %d/2 to b.1", other))
	}
	c := take[Close](s, nil)
	if !c.Drain || s.nth(id, c.Epoch) != 1 {
		t.Errorf("%+v", c)
	}
	s.run(1500 * time.Millisecond)
	if got := s.shard(id); got.Owner != refA || got.Epoch != 1 {
		t.Errorf("while it is drained its record is %+v", got)
	}
	s.hold, s.told = nil, nil
	cost := outcome.DrainCounts{Parked: 3, Dropped: 2, Lost: 1}
	s.step(Closed{Shard: id, Epoch: s.epoch(id, 1), Cost: cost})
	s.want(fmt.Sprintf("moved %d/2 to b.1", id))
	want := record.Shard{Owner: refB, Epoch: 2, Why: record.HandedOver, From: refA, PausedUs: 1_500_000, Cost: cost}
	if got := s.shard(id); got != want {
		t.Errorf("its record is %+v, want %+v", got, want)
	}
	s.run(time.Minute)
	s.want()
}

// TestHandOverIsNotAnswered: it was written, or not, or is later.
func TestHandOverIsNotAnswered(t *testing.T) {
	for _, how := range []string{"landed", "not landed", "landed late"} {
		t.Run(how, func(t *testing.T) {
			s := established(t, membership.Timing{})
			id := of("b", "a", "b")[0]
			s.holdWrites(record.ShardKey(id))
			s.comes(refB)
			s.told = nil
			w := s.takeWrite(record.ShardKey(id))
			if how == "landed" {
				s.write(w)
			}
			s.lose(w.Op)
			if how == "landed" {
				s.want(fmt.Sprintf("moved %d/2 to b.1", id))
			} else {
				s.run(time.Second)
				again := s.takeWrite(record.ShardKey(id))
				if again.Rev != w.Rev {
					t.Errorf("the second is on revision %d, the first on %d", again.Rev, w.Rev)
				}
				if how == "landed late" {
					s.write(w)
				}
				s.answer(again)
				s.want(fmt.Sprintf("moved %d/2 to b.1", id))
			}
			s.hold = nil
			s.run(30 * time.Second)
			if got := s.shard(id); got.Owner != refB || got.Epoch != 2 || len(s.held) > 0 {
				t.Errorf("its record is %+v; held %+v", got, s.held)
			}
		})
	}
}

// TestFailedWritesAreNotRepeatedAtOnce: with a store that refuses everything at
// once, a core would turn in circles.
func TestFailedWritesAreNotRepeatedAtOnce(t *testing.T) {
	for name, status := range map[string]Status{"no answer": Unknown, "conflict, and old reads": Conflict} {
		for what, setup := range map[string]func(*script) uint32{
			"claim": func(s *script) uint32 {
				id := of("a", "a", "b")[0]
				s.hint(s.putShard(id, record.Shard{Owner: record.Ref{}, Epoch: 9, Why: record.Released}))
				return id
			},
			"pass": func(s *script) uint32 {
				s.comes(refB)
				return of("b", "a", "b")[0]
			},
		} {
			t.Run(name+"/"+what, func(t *testing.T) {
				s := established(t, membership.Timing{})
				n := 0
				s.hold = func(e Effect) bool {
					if w, ok := e.(Write); ok && w.Key[:2] == record.ShardPrefix {
						if n++; n > 1000 {
							t.Fatal("it turns in circles")
						}
						s.event(Result{Op: w.Op, Status: status})
						return true
					}
					if r, ok := e.(Read); ok && r.Key[:2] == record.ShardPrefix && status == Unknown {
						s.event(Result{Op: r.Op, Status: Unknown})
						return true
					}
					return false
				}
				id := setup(s)
				s.run(5 * time.Second)
				if most := 21 * scriptShards; n < 10 || n > most {
					t.Errorf("%d writes in 5s, want 10 to %d", n, most)
				}
				s.hold, s.told = nil, nil
				s.run(time.Second)
				if got := s.shard(id); what == "claim" && got.Owner != refA || what == "pass" && got.Owner != refB {
					t.Errorf("when the store works again the record is %+v", got)
				}
			})
		}
	}
}

// TestTargetIsDead: a shard was handed to one that had died meanwhile.
func TestTargetIsDead(t *testing.T) {
	s := established(t, membership.Timing{})
	ids := of("b", "a", "b")
	s.holdWrites(record.ShardKey(ids[0]))
	s.comes(refB)
	s.dies(refB)
	s.hold, s.told = nil, nil
	s.answer(s.takeWrite(record.ShardKey(ids[0])))
	s.want(fmt.Sprintf("moved %d/2 to b.1", ids[0]))
	took := s.until("declared b.1", 13*time.Second)
	t.Logf("declared after %v", took)
	s.run(0)
	for _, id := range ids {
		if got := s.shard(id); got.Owner != refA || got.Epoch != 3 || got.Why != record.Claimed || got.From != refB {
			t.Errorf("shard %d: %+v", id, got)
		}
	}
}

// TestTargetHasGoneBeforeThePass: the node takes the shard back, in a new epoch.
func TestTargetHasGoneBeforeThePass(t *testing.T) {
	s := established(t, membership.Timing{})
	ids := of("b", "a", "b")
	s.hold = func(e Effect) bool { _, ok := e.(Close); return ok }
	s.comes(refB)
	s.dies(refB)
	s.hint(s.putMember(refB, record.Member{State: record.Leaving}))
	s.hold, s.told = nil, nil
	s.answer(take(s, func(c Close) bool { return c.Shard == ids[0] }))
	s.want(fmt.Sprintf("drain %d/1", ids[0]), fmt.Sprintf("moved %d/2 to a.1", ids[0]), fmt.Sprintf("open %d/2 handoff", ids[0]))
}

// TestMoves: so many at once, and twice as many when the node leaves.
func TestMoves(t *testing.T) {
	s := established(t, membership.Timing{MaxMoves: 1})
	ids := of("b", "a", "b")
	if len(ids) < 2 {
		t.Fatal("too few shards move")
	}
	s.hold = func(e Effect) bool { _, ok := e.(Close); return ok }
	s.comes(refB)
	s.run(time.Second)
	if len(s.held) != 1 {
		t.Fatalf("%d shards move at once, want 1", len(s.held))
	}
	s.answer(take[Close](s, nil))
	if len(s.held) != 1 {
		t.Fatalf("%d shards move next, want 1", len(s.held))
	}
	s.step(Leave{})
	s.run(time.Second)
	if len(s.held) != 2 {
		t.Fatalf("%d shards move at once when the node leaves, want 2", len(s.held))
	}
	s.hold = nil
	for _, e := range slices.Clone(s.held) {
		s.answer(e)
	}
	s.wantCount(1, "gone left")
}

// TestResidency: what has moved stays for a while, unless the node leaves.
func TestResidency(t *testing.T) {
	for _, leaves := range []bool{false, true} {
		s := newScript(t, membership.Timing{})
		id := of("b", "a", "b")[0]
		s.putShard(id, record.Shard{Owner: record.Ref{}, Epoch: 5, Why: record.Released, From: refC})
		s.core.own.record.Counter = 100 // the cluster is not new
		s.join()
		s.comes(refB)
		s.wantCount(len(of("b", "a", "b"))-1, "drain") // those in their first epoch move at once
		s.told = nil
		if leaves {
			s.step(Leave{})
			s.wantCount(1, fmt.Sprintf("drain %d/6", id))
			continue
		}
		s.run(9500 * time.Millisecond)
		s.want()
		s.run(time.Second)
		s.want(fmt.Sprintf("drain %d/6", id), fmt.Sprintf("moved %d/7 to b.1", id))
	}
}

// TestClaimIsNotAnswered: its record tells.
func TestClaimIsNotAnswered(t *testing.T) {
	for _, landed := range []bool{false, true} {
		s := newScript(t, membership.Timing{})
		s.holdWrites(record.ShardKey(3))
		s.run(time.Second)
		w := s.takeWrite(record.ShardKey(3))
		s.wantCount(0, "open 3")
		if landed {
			s.write(w)
		}
		s.hold = nil
		s.lose(w.Op)
		s.run(time.Second)
		s.wantCount(1, "open 3/1 claim")
		if !landed && s.write(w).Status != Conflict {
			t.Error("the first claim may still land")
		}
	}
}

// TestClaimIsLost: another was faster.
func TestClaimIsLost(t *testing.T) {
	s := newScript(t, membership.Timing{})
	s.holdWrites(record.ShardKey(3))
	s.run(time.Second)
	s.putShard(3, record.Shard{Owner: refB, Epoch: 1})
	s.alive(refB, record.Member{State: record.Joining})
	s.hold = nil
	s.answer(s.takeWrite(record.ShardKey(3)))
	s.run(5 * time.Second)
	s.wantCount(0, "open 3")
	if got := s.shard(3); got.Owner != refB || got.Epoch != 1 {
		t.Errorf("its record is %+v", got)
	}
}

// TestClaimsOnlyFromTheGone: by the state of the owner.
func TestClaimsOnlyFromTheGone(t *testing.T) {
	for state, claims := range map[string]bool{record.Joining: false, record.Active: false, record.Leaving: false, "a newer one": false, record.Left: true, record.Dead: true} {
		s := newScript(t, membership.Timing{})
		s.putMember(refB, record.Member{State: state, Seen: 1 << 40})
		id := of("a", "a", "b")[0]
		s.putShard(id, record.Shard{Owner: refB, Epoch: 4})
		s.join()
		s.run(5 * time.Second)
		if got := s.shard(id).Owner == refA; got != claims {
			t.Errorf("from one that is %q: claimed %v, want %v", state, got, claims)
		}
	}
}

// TestOldVersionsCountForNothing: nor do records that do not decode, keys of
// nobody, and shards that there are not.
func TestOldVersionsCountForNothing(t *testing.T) {
	s := newScript(t, membership.Timing{})
	s.join()
	old := []membership.Entry{s.store[record.ShardKey(0)]}
	m := s.putMember(refB, record.Member{State: record.Active})
	s.hint(m)
	s.run(20 * time.Second)
	s.told = nil
	left := s.putMember(refB, record.Member{State: record.Leaving})
	s.hint(left)
	known := *s.core.members.all[refB]
	old = append(old, m,
		membership.Entry{Key: record.ShardKey(2), Rev: 1 << 40, Value: []byte("{")}, membership.Entry{Key: record.ShardKey(2), Rev: 1 << 40, Value: nil}, membership.Entry{Key: record.ShardKey(99), Rev: 1 << 40, Value: record.Encode(record.Shard{Owner: refB, Epoch: 9})},
		membership.Entry{Key: "n.", Rev: 1 << 40, Value: []byte("{}")}, membership.Entry{Key: "x", Rev: 1 << 40, Value: []byte("{}")}, membership.Entry{Key: record.ConfigKey, Rev: 1 << 40, Value: []byte("{}")}, membership.Entry{Key: "", Rev: 1 << 40, Value: nil})
	s.step(Seen{old})
	s.step(Seen{})
	s.want()
	if got := *s.core.members.all[refB]; got.rev != known.rev || got.State != record.Leaving {
		t.Errorf("an old version has come to count: %+v", got)
	}
	s.step(Result{Op: 1 << 40})
	s.step(Opened{3, 77})
	s.step(Closed{Shard: 3, Epoch: 1})
	s.want()
}
