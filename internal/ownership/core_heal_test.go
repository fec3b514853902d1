package ownership

import (
	"fmt"
	"testing"
	"time"

	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership"
)

// TestRecordIsRemoved while its owner serves: the owner drains the shard and writes
// the record anew, in an epoch above all before, with or without a trace of it.
func TestRecordIsRemoved(t *testing.T) {
	for _, how := range []string{"removed, and heard of", "removed, and not heard of", "overwritten"} {
		t.Run(how, func(t *testing.T) {
			s := established(t, membership.Timing{})
			was := s.epoch(3, 1)
			switch how {
			case "overwritten":
				s.hint(s.put(record.ShardKey(3), []byte("{")))
			case "removed, and heard of":
				s.hint(s.put(record.ShardKey(3), nil))
			default:
				s.put(record.ShardKey(3), nil)
			}
			s.run(10 * time.Second)
			rec, err := record.DecodeShard(s.store[record.ShardKey(3)])
			if err != nil || rec.Owner != refA || rec.Why != record.Healed || rec.Epoch <= was || rec.Count != s.store[record.ShardKey(3)].Rev {
				t.Errorf("its record is %+v (%v), the epoch before was %d", rec, err, was)
			}
			s.want("drain 3/1", "mended", fmt.Sprintf("moved 3/%d to a.1", s.nth(3, rec.Epoch)), fmt.Sprintf("open 3/%d heal", s.nth(3, rec.Epoch)))
			s.run(time.Minute)
			s.want()
		})
	}
}

// TestOwnerOfARemovedRecordIsGone: the node that should own the shard claims it,
// also one that has never seen the record.
func TestOwnerOfARemovedRecordIsGone(t *testing.T) {
	for _, seen := range []bool{false, true} {
		s := newScript(t, membership.Timing{})
		id := of("a", "a", "b")[0]
		s.alive(refB, record.Member{State: record.Active})
		last := s.putShard(id, record.Shard{Owner: refB, Epoch: 9})
		if !seen {
			s.put(record.ShardKey(id), nil)
		}
		s.join()
		if seen {
			s.hint(s.put(record.ShardKey(id), nil))
		}
		s.dies(refB)
		s.run(15 * time.Second)
		rec, err := record.DecodeShard(s.store[record.ShardKey(id)])
		if err != nil || rec.Owner != refA || rec.Count <= last.Rev || rec.Count != s.store[record.ShardKey(id)].Rev {
			t.Errorf("seen before %v: its record is %+v (%v)", seen, rec, err)
		}
	}
}

// TestHealedIsOpenedWhenAllHaveSeen: a member that has not looked may serve the
// shard still, however well it renews.
func TestHealedIsOpenedWhenAllHaveSeen(t *testing.T) {
	s := newScript(t, membership.Timing{})
	s.alive(refB, record.Member{State: record.Active})
	id := of("a", "a", "b")[0]
	blind, renew := s.blind()
	s.wantCount(0, fmt.Sprintf("open %d/", id))
	if got := s.shard(id); got.Owner != refA {
		t.Fatalf("its record is %+v", got)
	}
	blind.Seen = s.rev
	renew()
	s.run(time.Second)
	s.wantCount(1, fmt.Sprintf("open %d/", id))
}

// blind has b renew only when renew is called, with what it has seen before. It returns
// after twenty seconds of that.
func (s *script) blind() (blind *record.Member, renew func()) {
	blind = s.living[refB]
	delete(s.living, refB)
	renew = func() {
		blind.Counter++
		s.hint(s.put(record.MemberKey(refB), record.Encode(*blind)))
	}
	for range 20 {
		s.run(time.Second)
		renew()
	}
	return blind, renew
}

// TestHealerIsGone before all have seen what it wrote: the next owner waits for them
// as well, and does not count on.
func TestHealerIsGone(t *testing.T) {
	s := newScript(t, membership.Timing{})
	refC := record.Ref{Name: "c", Incarnation: "1"}
	s.alive(refB, record.Member{State: record.Active})
	s.alive(refC, record.Member{State: record.Dead})
	id := of("a", "a", "b")[0]
	healed := s.put(record.ShardKey(id), record.Encode(record.Shard{Owner: refC, Why: record.Healed}))
	blind, renew := s.blind()
	got := s.store[record.ShardKey(id)]
	if rec, err := record.DecodeShard(got); err != nil || rec.Owner != refA || rec.Count != got.Rev || got.Rev <= healed.Rev {
		t.Fatalf("its record is %+v (%v), in revision %d", rec, err, got.Rev)
	}
	s.wantCount(0, fmt.Sprintf("open %d/", id))
	blind.Seen = s.rev
	renew()
	s.run(time.Second)
	s.wantCount(1, fmt.Sprintf("open %d/", id))
}

// TestConfigIsRemoved: a node that serves writes it again, with its base and its identity.
func TestConfigIsRemoved(t *testing.T) {
	s := newScript(t, membership.Timing{})
	cfg := record.NewConfig(layoutOfScripts)
	cfg.Base, cfg.Cluster = 1_700_000_000_000_000, "c"
	s.store[record.ConfigKey] = membership.Entry{Key: record.ConfigKey, Rev: 1, Value: record.Encode(cfg)}
	s.join()
	if rec, err := record.DecodeShard(s.store[record.ShardKey(3)]); err != nil || rec.Epoch <= cfg.Base {
		t.Errorf("the epoch %d is not above the base: %v", rec.Epoch, err)
	}
	delete(s.store, record.ConfigKey)
	s.run(15 * time.Second)
	if got, err := record.Decode[record.Config](s.store[record.ConfigKey].Value); err != nil || got != cfg {
		t.Errorf("written again: %+v, %v", got, err)
	}
	s.wantCount(1, "rebased")
}

// TestStoreThatHasForgotten: an incarnation that remembers more than the store does,
// because it was restored from a backup or made anew by a server whose clock is
// behind, raises the base above that before it claims.
func TestStoreThatHasForgotten(t *testing.T) {
	for name, past := range map[string]Past{
		"restored":   {Base: 1000, Rev: 5000, Epoch: 1700},
		"made anew":  {Base: 990, Rev: 50, Epoch: 1700},
		"remembered": {Base: 1000, Rev: 50, Epoch: 1700},
		"lost":       {Base: 1000, Rev: 50, Epoch: 1700, Lost: true}, // and many writes ago
	} {
		s := newScriptOf(t, Self{Ref: refA, Layout: layoutOfScripts, Past: past})
		cfg := record.NewConfig(layoutOfScripts)
		cfg.Base, cfg.Cluster = 1000, "d" // another node was first to give it one
		s.store[record.ConfigKey] = membership.Entry{Key: record.ConfigKey, Rev: 1, Value: record.Encode(cfg)}
		s.join()
		want := uint64(1701)
		if name == "remembered" {
			want = 1000
		}
		if got, _ := record.Decode[record.Config](s.store[record.ConfigKey].Value); got.Base != want || got.Cluster != "d" {
			t.Errorf("%s: %+v, want base %d", name, got, want)
		}
		if rec, err := record.DecodeShard(s.store[record.ShardKey(3)]); err != nil || rec.Base != want {
			t.Errorf("%s: claimed as %+v, %v", name, rec, err)
		}
	}
}

// TestBaseIsRaised: a node whose shards are in epochs that another remembers as
// older moves them above the new base.
func TestBaseIsRaised(t *testing.T) {
	s := established(t, membership.Timing{})
	cfg := record.NewConfig(layoutOfScripts)
	cfg.Base = 5000
	s.hint(s.put(record.ConfigKey, record.Encode(cfg)))
	s.run(15 * time.Second)
	for id := range uint32(scriptShards) {
		if rec, err := record.DecodeShard(s.store[record.ShardKey(id)]); err != nil || rec.Base != 5000 || rec.Owner != refA {
			t.Errorf("shard %d: %+v, %v", id, rec, err)
		}
	}
	s.wantCount(scriptShards, "open")
}

// TestStoreIsGone: told once; the incarnation ends when the longest lease has, and
// not before.
func TestStoreIsGone(t *testing.T) {
	s := newScript(t, membership.Timing{})
	s.alive(refB, record.Member{State: record.Active})
	s.join()
	s.living[refB].LeaseMs = 20_000 // longer than its own
	s.run(3 * time.Second)
	s.told = nil
	clear(s.living)
	s.without(NoStore)
	s.run(21 * time.Second)
	s.want("storegone")
	s.run(4 * time.Second)
	s.wantCount(1, "gone lost")
	s.wantCount(0, "reconnect")
}

// without answers all operations with a status, and does none.
func (s *script) without(status Status) {
	s.hold = func(e Effect) bool {
		switch e := e.(type) {
		case Write:
			s.event(Result{Op: e.Op, Status: status})
		case Read:
			s.event(Result{Op: e.Op, Status: status})
		case Snapshot:
			s.event(Result{Op: e.Op, Status: status})
		default:
			return false
		}
		return true
	}
}

// TestServerIsBehind: that the store is gone is no more than a server's word for a
// moment, before and after a time in which none answers. The node goes on as it was.
func TestServerIsBehind(t *testing.T) {
	s := established(t, membership.Timing{})
	for range 3 {
		s.without(NoStore)
		s.run(time.Second)
		s.without(Unknown)
		s.run(15 * time.Second)
	}
	s.hold = nil
	s.run(5 * time.Second)
	s.wantCount(0, "gone")
	s.wantCount(0, "storegone")
	s.wantCount(0, "close")
	if s.lease.Until < s.now {
		t.Errorf("the lease has ended at %v, it is %v", s.lease.Until, s.now)
	}
}

// TestStoreIsGoneLater than a server once said: others may have renewed since it said so,
// so the wait for the end of their leases begins when it is said again and again.
func TestStoreIsGoneLater(t *testing.T) {
	s := established(t, membership.Timing{})
	s.without(NoStore)
	s.run(time.Second)
	s.without(Unknown)
	s.run(15 * time.Second)
	s.told = nil
	s.without(NoStore)
	s.run(10 * time.Second)
	s.wantCount(0, "gone")
	s.run(2 * time.Second)
	s.wantCount(1, "gone lost")
}
