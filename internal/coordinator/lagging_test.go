package coordinator

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/internal/ownership"
	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/membership/memstore"
)

// lagging is a store whose servers are behind for a moment: the next looks at some
// records are answered with ErrNoRecords, although nothing was lost.
type lagging struct {
	membership.Store

	mu   sync.Mutex
	lies map[string]int // by prefix of the key: how many are left
	made int
}

// says answers the next looks at keys with a prefix.
func (s *lagging) says(prefix string, times int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lies == nil {
		s.lies = map[string]int{}
	}
	s.lies[prefix] = times
}

func (s *lagging) look(key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for prefix, n := range s.lies {
		if n > 0 && strings.HasPrefix(key, prefix) {
			s.lies[prefix]--
			return membership.ErrNoRecords
		}
	}
	return nil
}

// left is how many looks are still to be answered so.
func (s *lagging) left() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, times := range s.lies {
		n += times
	}
	return n
}

func (s *lagging) Read(ctx context.Context, key string) (membership.Entry, error) {
	if err := s.look(key); err != nil {
		return membership.Entry{}, err
	}
	return s.Store.Read(ctx, key)
}

func (s *lagging) Write(ctx context.Context, key string, rev uint64, value []byte) (uint64, error) {
	if err := s.look(key); err != nil {
		return 0, err
	}
	return s.Store.Write(ctx, key, rev, value)
}

func (s *lagging) Snapshot(ctx context.Context, prefix string) ([]membership.Entry, uint64, error) {
	if err := s.look(prefix); err != nil {
		return nil, 0, err
	}
	return s.Store.Snapshot(ctx, prefix)
}

// Make implements maker.
func (s *lagging) Make(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made++
	return nil
}

// wantUntouched: nobody has made the store anew, all lies were told, and the
// configuration is the one that was there before.
func (s *lagging) wantUntouched(t *testing.T, cfg membership.Entry) {
	t.Helper()
	s.mu.Lock()
	made := s.made
	s.mu.Unlock()
	if made > 0 {
		t.Errorf("the store was made anew %d times", made)
	}
	if n := s.left(); n > 0 {
		t.Errorf("%d looks have not met a server that is behind: the test shows nothing", n)
	}
	if e, err := s.Store.Read(t.Context(), record.ConfigKey); err != nil || e.Rev != cfg.Rev {
		t.Errorf("the configuration is of revision %d, was of %d (%v)", e.Rev, cfg.Rev, err)
	}
}

// behind gives a member a store whose servers may be behind.
func (m *member) behind() *lagging {
	s := &lagging{Store: m.store}
	m.store = s
	return s
}

func configOf(t *testing.T, s *memstore.Store) membership.Entry {
	t.Helper()
	e, err := s.Read(t.Context(), record.ConfigKey)
	if err != nil || e.Rev == 0 {
		t.Fatalf("no configuration: %+v, %v", e, err)
	}
	return e
}

// TestServerIsBehindAtStart: a node that starts beside others is told at one look that
// there are no records. It looks again, joins, and makes nothing anew.
func TestServerIsBehindAtStart(t *testing.T) {
	for _, prefix := range []string{record.ConfigKey, record.MemberPrefix, record.ShardPrefix} {
		for _, times := range []int{1, 3} {
			synctest.Test(t, func(t *testing.T) {
				cl := newCluster(t)
				a := cl.start("a")
				time.Sleep(10 * time.Second)
				cfg := configOf(t, cl.store)
				b := cl.member("b")
				s := b.behind()
				s.says(prefix, times)
				cl.run(b, b, 0)
				time.Sleep(30 * time.Second)
				cl.wantOwners("a", "b")
				s.wantUntouched(t, cfg)
				end(a, b)
			})
		}
	}
}

// TestServerIsBehindAboutKinds: that there are no records is not taken to mean that
// there are no members of another service.
func TestServerIsBehindAboutKinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := newCluster(t)
		a := cl.member("a")
		a.kinds = []string{"orders"}
		cl.run(a, a, 0)
		time.Sleep(10 * time.Second)
		b := cl.member("b")
		b.kinds = []string{"mails"}
		s := b.behind()
		s.says(record.MemberPrefix, 2)
		cl.run(b, b, 0)
		b.wantEnd(membership.ErrForeignKinds)
		s.wantUntouched(t, configOf(t, cl.store))
		end(a)
	})
}

// TestServerIsBehindAtComeBack: a process that was taken for dead, and comes back to a
// server that is behind, does not oust its successor.
func TestServerIsBehindAtComeBack(t *testing.T) {
	for _, times := range []int{1, 5} {
		synctest.Test(t, func(t *testing.T) {
			cl := newCluster(t)
			newer := cl.start("a")
			time.Sleep(10 * time.Second)
			older := cl.member("a")
			s := older.behind()
			c, err := New(Options{Self: ownership.Self{Ref: record.Ref{Name: "a"}, Layout: older.layout}, Store: s, Node: older, Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			c.born = 1
			s.says(record.MemberPrefix, times)
			if !c.others.outlived(t.Context(), c.born) {
				t.Errorf("told %d times that there are no records, the process believes that none has come after it", times)
			}
			s.wantUntouched(t, configOf(t, cl.store))
			end(newer)
		})
	}
}

// TestServerIsBehindBeforeAnOutage: one answer that there are no records, and then none
// for longer than a lease. When the store is back everything goes on without a move.
func TestServerIsBehindBeforeAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := newCluster(t)
		var all []*member
		var stores []*lagging
		for _, name := range []string{"a", "b"} {
			m := cl.member(name)
			stores = append(stores, m.behind())
			cl.run(m, m, 0)
			all = append(all, m)
		}
		time.Sleep(20 * time.Second)
		cfg, opened := configOf(t, cl.store), cl.opened.Load()
		for i, m := range all {
			stores[i].says("", 1)
			for stores[i].left() > 0 {
				time.Sleep(time.Millisecond)
			}
			m.cut.Store(true)
		}
		time.Sleep(time.Minute)
		if n := len(cl.owners()); n != 0 {
			t.Errorf("%d nodes serve without a lease", n)
		}
		for i, m := range all {
			stores[i].says("", 1) // and one more
			m.cut.Store(false)
		}
		time.Sleep(3 * time.Second)
		cl.wantOwners("a", "b")
		if n := cl.opened.Load() - opened; n != 0 {
			t.Errorf("%d shards moved because a server was behind", n)
		}
		for i, m := range all {
			stores[i].wantUntouched(t, cfg)
			end(m)
		}
	})
}
