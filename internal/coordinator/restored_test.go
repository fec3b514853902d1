package coordinator

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/membership"
)

// TestNewNodeOfARestoredStore: the store is restored from a backup while a node serves
// shards that it has claimed since. A process that has never seen those claims starts at
// that moment, and by the store's word all shards are free. It takes none while the other
// may serve, and no epoch is used twice.
func TestNewNodeOfARestoredStore(t *testing.T) {
	for _, dies := range []bool{false, true} { // the old node, and with it what it remembers
		synctest.Test(t, func(t *testing.T) {
			cl := newCluster(t)
			s := &losable{}
			if err := s.Make(t.Context()); err != nil {
				t.Fatal(err)
			}
			cl.lost = s
			first := cl.start("first")
			time.Sleep(20 * time.Second)
			first.stop()
			first.wantEnd(nil)
			restore := s.backup()

			old := cl.start("old")
			time.Sleep(20 * time.Second)
			cl.wantOwners("old")
			_, highest, _ := s.epochs()
			restore()
			newer := cl.member("newer")
			newer.hears = old
			cl.run(newer, newer, 0)
			time.Sleep(time.Second)
			old.cut.Store(dies)
			time.Sleep(time.Minute)
			if dies {
				cl.wantOwners("newer")
			} else {
				cl.wantOwners("newer", "old")
			}
			if low, _, n := s.epochs(); n != shards || low <= highest {
				t.Errorf("%d shards in epochs from %d, those that were forgotten went up to %d", n, low, highest)
			}
			old.stop()
			newer.stop()
			<-old.ended
			newer.wantEnd(nil)
		})
	}
}

// TestNewNodeOfAStoreThatKnows: what other nodes say of owners is in the store, so a
// node that starts beside them waits for nothing and moves nothing.
func TestNewNodeOfAStoreThatKnows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := newCluster(t)
		a := cl.start("a")
		time.Sleep(20 * time.Second)
		cfg := configOf(t, cl.store)
		b := cl.member("b")
		b.hears = a
		cl.run(b, b, 0)
		time.Sleep(10 * time.Second)
		cl.wantOwners("a", "b")
		if e, err := cl.store.Read(t.Context(), membership.ConfigKey); err != nil || e.Rev != cfg.Rev {
			t.Errorf("the configuration was written again: %+v, %v", e, err)
		}
		a.stop()
		b.stop()
		a.wantEnd(nil)
		b.wantEnd(nil)
	})
}
