package coordinator

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/internal/record"
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
	log   []membership.Entry // what was written, in order

	forbidden error // why it cannot be made
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
	forbidden := s.forbidden
	s.mu.Unlock()
	if forbidden != nil {
		time.Sleep(100 * time.Millisecond) // virtual: a server takes a while
		return forbidden
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.store == nil {
		s.store, s.born, s.made, s.log = memstore.New(), time.Now(), s.made+1, nil
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
	rev, err = m.Write(ctx, key, rev, value)
	if err == nil {
		s.mu.Lock()
		s.log = append(s.log, membership.Entry{Key: key, Rev: rev, Value: value})
		s.mu.Unlock()
	}
	return rev, err
}

// backup keeps what is there now, and returns what puts it back.
func (s *losable) backup() (restore func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := slices.Clone(s.log)
	slices.SortFunc(kept, func(a, b membership.Entry) int { return cmp.Compare(a.Rev, b.Rev) })
	return func() {
		store := memstore.New()
		for _, e := range kept {
			at, _ := store.Read(context.Background(), e.Key)
			if rev, err := store.Write(context.Background(), e.Key, at.Rev, e.Value); err != nil || rev != e.Rev {
				panic(fmt.Sprintf("%+v is restored at %d: %v", e, rev, err))
			}
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.store, s.log = store, kept
	}
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

// losableReach is a store that can be lost as a member sees it.
type losableReach struct {
	reach
	maker interface {
		maker
		born
	}
}

func (r losableReach) Make(ctx context.Context) error              { return r.maker.Make(ctx) }
func (r losableReach) Born(ctx context.Context) (time.Time, error) { return r.maker.Born(ctx) }

// storeOf is the store as a node has it.
func (cl *cluster) storeOf(m *member) membership.Store {
	if cl.lost != nil {
		return losableReach{reach{cl.lost, m}, cl.lost}
	}
	return reach{cl.store, m}
}

// Served implements Node.
func (m *member) Served(ctx context.Context) (epochs []uint64) {
	if m.cl.othersOwn {
		pause(ctx, time.Second)
		return []uint64{1}
	}
	if m.hears != nil && len(m.hears.ended) == 0 {
		m.cl.mu.Lock()
		defer m.cl.mu.Unlock()
		return slices.Clone(m.hears.routes)
	}
	return nil
}

// losable gives the cluster a store that can be lost.
func (cl *cluster) losable() *losable {
	cl.t.Helper()
	s := &losable{}
	if err := s.Make(cl.t.Context()); err != nil {
		cl.t.Fatal(err)
	}
	cl.lost = s
	return s
}

// epochs returns the lowest and the highest of all shards, and how many have one.
func (s *losable) epochs() (low, high uint64, n int) {
	entries, _, _ := s.Snapshot(context.Background(), record.ShardPrefix)
	for _, e := range entries {
		if rec, err := record.DecodeShard(e); err == nil {
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
		s := cl.losable()
		a, b := cl.pair()
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
		time.Sleep(time.Minute) // one may come first, take all, and move the other's part when it has come
		cl.wantOwners("a", "b")
		if low, _, n := s.epochs(); n != shards || low <= highest || s.times() != 2 {
			t.Errorf("%d shards in epochs from %d, those before went up to %d; made %d times", n, low, highest, s.times())
		}
		end(a, b)
	})
}

// TestStoreIsReplaced at once, as by an operator: the nodes, which never hear that
// there is none, claim nothing in the new one before the last lease has ended.
func TestStoreIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := newCluster(t)
		s := cl.losable()
		a, b := cl.pair()
		_, highest, _ := s.epochs()
		s.lose()
		if err := s.Make(t.Context()); err != nil {
			t.Fatal(err)
		}
		at := time.Now()
		for range 1000 {
			if e, err := s.Read(t.Context(), record.ConfigKey); err != nil || e.Rev > 0 {
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
		end(a, b)
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
		end(a, b)
	})
}

// founds writes the configuration after a while.
func (cl *cluster) founds(after time.Duration) {
	time.Sleep(after)
	cfg := record.NewConfig(sharding.Layout{NumShards: shards})
	if _, err := cl.store.Write(cl.t.Context(), record.ConfigKey, 0, record.Encode(cfg)); err != nil {
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
			end(a)
		}
	})
}
