package ownership

import (
	"maps"
	"testing"
	"time"

	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership"
)

// backup keeps what the store holds, and restores it later: what was written
// meanwhile is forgotten.
func (s *script) backup() (restore func()) {
	rev, log, store := s.rev, len(s.log), maps.Clone(s.store)
	return func() { s.rev, s.log, s.store = rev, s.log[:log:log], store }
}

// wantLost runs until the node's lease has ended, and past the end of all leases.
func (s *script) wantLost() {
	s.t.Helper()
	s.told = nil
	s.run(9 * time.Second)
	if s.lease.Until > s.now {
		s.t.Error("the node has renewed its lease in a store that has forgotten")
	}
	s.wantCount(0, "gone")
	s.run(4 * time.Second)
	s.wantCount(1, "gone lost")
	if past := s.core.Past(); !past.Lost {
		s.t.Errorf("the next incarnation does not know: %+v", past)
	}
}

// TestRestoredBelowWhatWasSeen: the node's own record is as it was, and what others have
// written since is forgotten: its renewal has a revision that was used before.
func TestRestoredBelowWhatWasSeen(t *testing.T) {
	s := established(t, membership.Timing{})
	for s.now%(2*time.Second) != 0 || s.core.own.busy {
		s.run(TickEvery)
	}
	restore := s.backup()
	for range 20 {
		s.hint(s.put("x", []byte("x")))
	}
	restore()
	before := s.lease
	s.run(2 * time.Second) // a renewal
	if s.lease != before {
		t.Errorf("the lease was %+v and is %+v: a renewal that shows a loss counts", before, s.lease)
	}
	s.wantLost()
}

// TestRestoredBelowAnAnswerThatWasLost: the same where the answer was lost, and the
// record itself says so.
func TestRestoredBelowAnAnswerThatWasLost(t *testing.T) {
	s := established(t, membership.Timing{})
	s.holdWrites(s.core.own.key)
	s.run(2 * time.Second)
	w := s.takeWrite(s.core.own.key)
	s.hold = nil
	restore := s.backup()
	for range 20 {
		s.hint(s.put("x", []byte("x")))
	}
	s.lose(w.Op) // and read: it is not there yet
	s.holdWrites(s.core.own.key)
	s.run(time.Second)
	w = s.takeWrite(s.core.own.key)
	restore()
	s.write(w)
	s.hold = nil
	s.lose(w.Op)
	s.wantLost()
}

// TestRestoredShardIsOlder than one that the node has seen, in a store that has long
// passed the revision of that: what holds is what the store says.
func TestRestoredShardIsOlder(t *testing.T) {
	s := established(t, membership.Timing{})
	id := of("a", "a")[0]
	old := s.store[record.ShardKey(id)]
	s.putShard(id, record.Shard{Owner: refA, Why: record.HandedOver, From: refB, Epoch: 7})
	s.hint(s.store[record.ShardKey(id)])
	s.run(time.Second)
	for i, e := range s.log {
		if e.Key == record.ShardKey(id) && e.Rev > old.Rev {
			s.log[i].Key = "forgotten"
		}
	}
	s.store[record.ShardKey(id)] = old
	for range 60 { // two looks
		if s.run(TickEvery); s.core.lineage.forgotten {
			break
		}
	}
	s.wantLost()
}

// TestLateReplicaIsNoProof: a snapshot of a replica that is late says so.
func TestLateReplicaIsNoProof(t *testing.T) {
	s := established(t, membership.Timing{})
	s.asOf = s.rev
	id := of("a", "a")[0]
	s.hint(s.putShard(id, record.Shard{Owner: refA, Why: record.HandedOver, From: refB, Epoch: 7}))
	s.run(30 * time.Second)
	s.wantCount(0, "gone")
	if s.core.lineage.forgotten {
		t.Error("a replica that is late is taken for a store that has forgotten")
	}
}

// TestStoreIsGoneAfterARestore: others may have joined the restored store, and have
// leases from there. So the wait for the end of leases begins when that is gone as well.
func TestStoreIsGoneAfterARestore(t *testing.T) {
	s := established(t, membership.Timing{})
	restore := s.backup()
	s.run(10 * time.Second)
	restore() // with an older version of its record
	s.run(8 * time.Second)
	s.told = nil
	s.without(NoStore)
	s.run(10 * time.Second)
	s.wantCount(0, "gone")
	s.run(2 * time.Second)
	s.wantCount(1, "gone lost")
}

// TestStoreIsMadeAfterALoss by another: a store without the node's record is no further
// loss, and begins no wait anew.
func TestStoreIsMadeAfterALoss(t *testing.T) {
	s := established(t, membership.Timing{})
	s.without(NoStore)
	s.run(8 * time.Second)
	s.hold, s.store, s.log, s.rev = nil, map[string]membership.Entry{}, nil, 0
	s.told = nil
	s.run(4 * time.Second)
	s.wantCount(1, "gone lost")
}

// TestLostStoreInWhichOthersAre: what is there now is another cluster's store, in which
// nodes may have leases. If that is lost too before the node comes again, it waits.
func TestLostStoreInWhichOthersAre(t *testing.T) {
	for _, founded := range []bool{false, true} {
		s := established(t, membership.Timing{})
		cfg := s.store[record.ConfigKey]
		s.store, s.log, s.rev = map[string]membership.Entry{}, nil, 0
		if founded {
			s.store[record.ConfigKey] = cfg
		}
		var gone *Gone
		s.hold = func(e Effect) bool {
			if g, ok := e.(Gone); ok {
				gone = &g
			}
			return false
		}
		s.run(13 * time.Second)
		if gone == nil || gone.State != Lost || gone.Unleased == founded {
			t.Errorf("a configuration is there: %v; it ends as %+v", founded, gone)
		}
	}
}
