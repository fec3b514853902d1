package ownership

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership"
)

// TestFirstNodeDoesNotSettle: who forms a cluster serves at once.
func TestFirstNodeDoesNotSettle(t *testing.T) {
	s := newScript(t, membership.Timing{})
	s.step(Tick{})
	want := []string{"joined"}
	for i := range scriptShards {
		want = append(want, fmt.Sprintf("open %d/1 claim", i))
	}
	s.want(append(want, "settled")...)
	if m := s.member(refA); m.State != record.Active || m.Born == 0 || m.LeaseMs != 10_000 || m.Weight != 1 {
		t.Errorf("its record: %+v", m)
	}
}

// TestJoinSettles: who comes to a running cluster looks around first, the longer
// the more often its name has died, and not for ever.
func TestJoinSettles(t *testing.T) {
	running := record.Member{State: record.Active, Counter: 10}
	died := record.Member{State: record.Dead, Counter: 10}
	for name, c := range map[string]struct {
		others map[record.Ref]record.Member
		want   time.Duration
	}{
		"alone":                        {nil, 0},
		"a cluster that is formed":     {map[record.Ref]record.Member{refB: {State: record.Active, Counter: 2}}, 0},
		"others join":                  {map[record.Ref]record.Member{refB: {State: record.Joining, Counter: 10}}, 0},
		"all leave":                    {map[record.Ref]record.Member{refB: {State: record.Leaving, Counter: 10}}, 0},
		"a running cluster":            {map[record.Ref]record.Member{refB: running}, 3 * time.Second},
		"others died":                  {map[record.Ref]record.Member{refB: running, refC: died}, 3 * time.Second},
		"it left before":               {map[record.Ref]record.Member{refB: running, {Name: "a", Incarnation: "0"}: {State: record.Left}}, 3 * time.Second},
		"it died once":                 {map[record.Ref]record.Member{refB: running, {Name: "a", Incarnation: "x"}: died}, 6 * time.Second},
		"it died twice":                {map[record.Ref]record.Member{refB: running, {Name: "a", Incarnation: "x"}: died, {Name: "a", Incarnation: "y"}: died}, 12 * time.Second},
		"it died often":                {map[record.Ref]record.Member{refB: running, {Name: "a", Incarnation: "x"}: died, {Name: "a", Incarnation: "y"}: died, {Name: "a", Incarnation: "z"}: died, {Name: "a", Incarnation: "w"}: died}, 20 * time.Second},
		"it died, and nobody is there": {map[record.Ref]record.Member{{Name: "a", Incarnation: "x"}: died, {Name: "a", Incarnation: "y"}: died}, 6 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, membership.Timing{MaxSettle: 20 * time.Second})
			for ref, m := range c.others {
				s.put(record.MemberKey(ref), record.Encode(m))
				if !m.Final() {
					m.LeaseMs = 10_000
					s.living[ref] = &m
				}
			}
			begun := s.now
			for s.core.own.state != record.Active && s.now < begun+time.Minute {
				s.run(TickEvery)
			}
			if took := s.now - begun; took < c.want || took > c.want+2*TickEvery {
				t.Errorf("it joined after %v, want %v", took, c.want)
			}
		})
	}
}

// TestJoinNeedsAFreshLook: a snapshot from before its own record may miss a
// cluster that runs.
func TestJoinNeedsAFreshLook(t *testing.T) {
	s := newScript(t, membership.Timing{})
	s.asOf = 1 // nobody
	s.alive(refB, record.Member{State: record.Active, Counter: 10})
	s.run(5 * time.Second)
	if s.core.own.state != record.Joining {
		t.Fatalf("it is %s", s.core.own.state)
	}
	s.asOf = 0
	s.run(time.Second)
	if s.core.own.state != record.Joining {
		t.Fatal("it has not settled")
	}
	s.run(4 * time.Second)
	if s.core.own.state != record.Active {
		t.Fatal("it has not joined")
	}
}

// TestNothingIsClaimedBeforeActive: not while it settles, and not before it has
// seen the shards.
func TestNothingIsClaimedBeforeActive(t *testing.T) {
	s := newScript(t, membership.Timing{})
	s.alive(refB, record.Member{State: record.Active, Counter: 10})
	s.run(2 * time.Second)
	s.want("waits 3s, 0 deaths")

	s = newScript(t, membership.Timing{})
	s.hold = func(e Effect) bool {
		snap, ok := e.(Snapshot)
		return ok && snap.Prefix == record.ShardPrefix
	}
	s.run(time.Second)
	s.want()
	for i := range uint32(scriptShards) {
		s.putShard(i, record.Shard{Owner: refB, Epoch: 7})
	}
	s.alive(refB, record.Member{State: record.Active, Counter: 1})
	s.hold = nil
	s.answer(take[Snapshot](s, nil))
	s.run(time.Second)
	s.want("joined")
}

// TestSettledOnce: told when all shards that the node should serve are served,
// and then never again.
func TestSettledOnce(t *testing.T) {
	s := newScript(t, membership.Timing{})
	s.alive(refB, record.Member{State: record.Active, Counter: 10})
	mine := of("a", "a", "b")
	for i := range uint32(scriptShards) {
		s.putShard(i, record.Shard{Owner: refB, Epoch: 1})
	}
	s.join()
	for _, id := range mine {
		s.run(5 * time.Second)
		s.wantCount(0, "settled")
		s.hint(s.putShard(id, record.Shard{Owner: refA, Epoch: 2, Why: record.HandedOver, From: refB}))
	}
	s.wantCount(1, "settled")
	s.told = nil
	s.dies(refB)
	s.run(30 * time.Second)
	s.wantCount(len(of("a", "a"))-len(mine), "open")
	s.wantCount(0, "settled")
}

// TestSettledWaitsForWhatIsOpened: a shard whose service has not begun is not
// served.
func TestSettledWaitsForWhatIsOpened(t *testing.T) {
	s := newScript(t, membership.Timing{})
	s.hold = func(e Effect) bool { o, open := e.(Open); return open && o.Shard == 5 }
	s.run(10 * time.Second)
	s.wantCount(scriptShards-1, "open")
	s.wantCount(0, "settled")
	s.hold = nil
	s.told = nil
	s.answer(take[Open](s, nil))
	s.want("open 5/1 claim", "settled")
}

// TestWeightOfComingAgain: a node's part follows its weight, also when it
// comes again with another.
func TestWeightOfComingAgain(t *testing.T) {
	s := newScript(t, membership.Timing{})
	s.join()
	part := func() (n int) {
		for i := range uint32(scriptShards) {
			if s.core.targets.of(i) == refA {
				n++
			}
		}
		return n
	}
	s.hint(s.putMember(refB, record.Member{State: record.Active, Weight: 1}))
	if got := part(); got != len(of("a", "a", "b")) {
		t.Errorf("with equal weights it should own %d, want %d", got, len(of("a", "a", "b")))
	}
	again := record.Ref{Name: "b", Incarnation: "2"}
	s.hint(s.putMember(again, record.Member{State: record.Active, Weight: 1e6}))
	if got := part(); got != 0 {
		t.Errorf("beside one that weighs a million it should own %d", got)
	}
	for i := range uint32(scriptShards) {
		if s.core.targets.of(i) != again {
			t.Errorf("shard %d should be of %v", i, s.core.targets.of(i))
		}
	}
}

// TestFormingCluster: nodes that start together are all settled soon, whatever the
// residency: shards go on to who comes a moment later.
func TestFormingCluster(t *testing.T) {
	w := newWorld(1, faults{nodes: 3, shards: 64, end: 4 * time.Second})
	w.timing = &membership.DefaultTiming
	for i, n := range w.nodes {
		w.after(time.Duration(i)*20*time.Millisecond, n.start)
	}
	w.run()
	w.check()
	if len(w.bad) > 0 {
		t.Error(w.verdict())
	}
}

// TestHintBeforeAnswer: the hint of the node's own write is faster than its answer;
// the node joins at once all the same.
func TestHintBeforeAnswer(t *testing.T) {
	s := newScript(t, membership.Timing{})
	s.holdWrites(record.MemberKey(refA))
	s.step(Tick{})
	w := s.takeWrite(record.MemberKey(refA))
	e := s.put(w.Key, w.Value)
	s.hint(e)
	s.step(Result{Op: w.Op, Rev: e.Rev})
	if w := s.takeWrite(record.MemberKey(refA)); !strings.Contains(string(w.Value), record.Active) {
		t.Errorf("it writes %s, want %s at once", w.Value, record.Active)
	}
}
