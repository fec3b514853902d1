package coordinator

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/internal/record"
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
			s := cl.losable()
			first := cl.start("first")
			time.Sleep(20 * time.Second)
			end(first)
			restore := s.backup()

			old := cl.start("old")
			time.Sleep(20 * time.Second)
			cl.wantOwners("old")
			_, highest, _ := s.epochs()
			restore()
			restored := uint64(time.Now().UnixMicro())
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
			e, err := s.Read(t.Context(), record.ConfigKey)
			if cfg, derr := record.Decode[record.Config](e.Value); err != nil || derr != nil || cfg.Base < restored {
				t.Errorf("the base is %d, the time of the restore was %d: others may have known later epochs", cfg.Base, restored)
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
		if e, err := cl.store.Read(t.Context(), record.ConfigKey); err != nil || e.Rev != cfg.Rev {
			t.Errorf("the configuration was written again: %+v, %v", e, err)
		}
		end(a, b)
	})
}

// TestStoreThatMayNotBeMade: Health says from when it is known on why the store is not
// made, and one line does. When somebody else has made it the node comes again.
func TestStoreThatMayNotBeMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := newCluster(t)
		s := cl.losable()
		var lines strings.Builder
		a := cl.member("a")
		a.log = slog.New(slog.NewTextHandler(&lines, nil))
		cl.run(a, a, 0)
		time.Sleep(20 * time.Second)
		s.mu.Lock()
		s.store, s.forbidden = nil, errors.New("make it with: a command")
		s.mu.Unlock()
		time.Sleep(20 * time.Second)
		for range 100 { // it is said all the time
			time.Sleep(30 * time.Millisecond)
			if err := a.c.Health().Store; !errors.Is(err, membership.ErrNoRecords) || !strings.Contains(err.Error(), "a command") {
				t.Fatalf("its health is: %v", err)
			}
		}
		s.mu.Lock()
		s.forbidden = nil
		s.mu.Unlock()
		time.Sleep(20 * time.Second)
		cl.wantOwners("a")
		if err := a.c.Health().Store; err != nil {
			t.Errorf("its health is: %v", err)
		}
		end(a)
		if n := strings.Count(lines.String(), "a command"); n != 1 {
			t.Errorf("%d lines say how to make it:\n%s", n, lines.String())
		}
	})
}
