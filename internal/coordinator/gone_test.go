package coordinator

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/membership/memstore"
	"github.com/clstr-go/clstr/sharding"
)

// losable is a store that can be lost, and made anew.
type losable struct {
	mu    sync.Mutex
	store *memstore.Store // nil while it is lost
	born  time.Time
	made  int
}

func (s *losable) now() (*memstore.Store, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.store == nil {
		return nil, membership.ErrNoRecords
	}
	return s.store, nil
}

func (s *losable) lose() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.store = nil
}

// Make implements maker.
func (s *losable) Make(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.store == nil {
		s.store, s.born, s.made = memstore.New(), time.Now(), s.made+1
	}
	return nil
}

// times is how often it was made.
func (s *losable) times() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.made
}

// Born implements born.
func (s *losable) Born(context.Context) (time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.born, nil
}

func (s *losable) Write(ctx context.Context, key string, rev uint64, value []byte) (uint64, error) {
	m, err := s.now()
	if err != nil {
		return 0, err
	}
	return m.Write(ctx, key, rev, value)
}

func (s *losable) Read(ctx context.Context, key string) (membership.Entry, error) {
	m, err := s.now()
	if err != nil {
		return membership.Entry{}, err
	}
	return m.Read(ctx, key)
}

func (s *losable) Snapshot(ctx context.Context, prefix string) ([]membership.Entry, uint64, error) {
	m, err := s.now()
	if err != nil {
		return nil, 0, err
	}
	return m.Snapshot(ctx, prefix)
}

func (s *losable) Watch(func(membership.Entry)) (func(), error) { return func() {}, nil }

// storeOf is the store as a node has it.
func (cl *cluster) storeOf(m *member) membership.Store {
	if cl.lost != nil {
		return cl.lost
	}
	return reach{cl.store, m}
}

// Served implements asker.
func (m *member) Served(ctx context.Context) bool {
	if !m.cl.othersOwn {
		return false
	}
	pause(ctx, time.Second)
	return true
}

// epochs returns the lowest and the highest of all shards, and how many have one.
func (s *losable) epochs() (low, high uint64, n int) {
	entries, _, _ := s.Snapshot(context.Background(), membership.ShardPrefix)
	for _, e := range entries {
		if rec, err := membership.DecodeShard(e); err == nil {
			if low == 0 || rec.Epoch < low {
				low = rec.Epoch
			}
			high, n = max(high, rec.Epoch), n+1
		}
	}
	return low, high, n
}

// TestStoreIsLost: nodes serve until their leases end, make the store anew when all
// have, and come again, in epochs above all before; also one that starts meanwhile
// waits for the others' leases.
func TestStoreIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := newCluster(t)
		s := &losable{}
		if err := s.Make(t.Context()); err != nil {
			t.Fatal(err)
		}
		cl.lost = s
		a, b := cl.start("a"), cl.start("b")
		time.Sleep(20 * time.Second)
		cl.wantOwners("a", "b")
		_, highest, _ := s.epochs()
		s.lose()
		time.Sleep(6 * time.Second)
		if made := s.times(); len(cl.owners()) > 0 || made != 1 {
			t.Errorf("before the leases have ended the store was made %d times", made)
		}
		time.Sleep(4 * time.Second) // a lease
		if s.times() != 1 {
			t.Error("the store is made before the last lease has ended for long enough")
		}
		time.Sleep(20 * time.Second)
		cl.wantOwners("a", "b")
		if low, _, n := s.epochs(); n != shards || low <= highest || s.times() != 2 {
			t.Errorf("%d shards in epochs from %d, those before went up to %d; made %d times", n, low, highest, s.times())
		}
		a.stop()
		b.stop()
		a.wantEnd(nil)
		b.wantEnd(nil)
	})
}

// TestStoreIsReplaced at once, as by an operator: the nodes, which never hear that
// there is none, claim nothing in the new one before the last lease has ended.
func TestStoreIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := newCluster(t)
		s := &losable{}
		if err := s.Make(t.Context()); err != nil {
			t.Fatal(err)
		}
		cl.lost = s
		a, b := cl.start("a"), cl.start("b")
		time.Sleep(20 * time.Second)
		cl.wantOwners("a", "b")
		_, highest, _ := s.epochs()
		s.lose()
		if err := s.Make(t.Context()); err != nil {
			t.Fatal(err)
		}
		at := time.Now()
		for range 1000 {
			if e, err := s.Read(t.Context(), membership.ConfigKey); err != nil || e.Rev > 0 {
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
		if took := time.Since(at); took < membership.DefaultTiming.Lease || took > 30*time.Second {
			t.Errorf("claims could begin after %v", took)
		}
		time.Sleep(20 * time.Second)
		cl.wantOwners("a", "b")
		if low, _, n := s.epochs(); n != shards || low <= highest {
			t.Errorf("%d shards in epochs from %d, those before went up to %d", n, low, highest)
		}
		a.stop()
		b.stop()
		a.wantEnd(nil)
		b.wantEnd(nil)
	})
}

// TestFoundedMeanwhile: the owners that new nodes hear of are of a cluster that was
// founded while they asked, so they do not wait.
func TestFoundedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := newCluster(t)
		cl.othersOwn = true
		a, b := cl.start("a"), cl.start("b")
		cl.founds(500 * time.Millisecond)
		time.Sleep(15 * time.Second)
		cl.wantOwners("a", "b")
		for _, m := range []*member{a, b} {
			m.stop()
			m.wantEnd(nil)
		}
	})
}

// founds writes the configuration after a while.
func (cl *cluster) founds(after time.Duration) {
	time.Sleep(after)
	cfg := membership.NewConfig(sharding.Layout{NumShards: shards})
	if _, err := cl.store.Write(cl.t.Context(), membership.ConfigKey, 0, cfg.Encode()); err != nil {
		cl.t.Error(err)
	}
}

// TestNewNodeOfALostStore: a node that finds no configuration, and hears that others
// own shards, claims nothing before their leases have ended.
func TestNewNodeOfALostStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for others, wait := range map[bool]time.Duration{false: time.Second, true: 23 * time.Second} {
			cl := newCluster(t)
			cl.othersOwn = others
			a := cl.start("a")
			time.Sleep(wait - time.Millisecond)
			if n := len(cl.owners()); n != 0 && others {
				t.Errorf("others own shards, and after %v this one serves", wait)
			}
			time.Sleep(3 * time.Second)
			cl.wantOwners("a")
			a.stop()
			a.wantEnd(nil)
		}
	})
}
