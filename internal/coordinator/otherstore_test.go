package coordinator

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/internal/record"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/membership/memstore"
	"github.com/clstr-go/clstr/membership/natsstore"
	"github.com/clstr-go/clstr/sharding"
)

// Serves implements Node.
func (m *member) Serves(context.Context, []uint64) string {
	m.cl.mu.Lock()
	defer m.cl.mu.Unlock()
	for _, g := range m.cl.serving {
		if m.hears != nil && m.hears.c.current.Load() != nil && serves(g) {
			return m.hears.name
		}
	}
	return m.cl.otherServes
}

// TestStoreOfAnotherPrefix: a node that finds no records, and hears of owners that go on
// serving after every lease has ended, founds no cluster beside theirs. If those owners
// serve no more, their store was lost, and the node founds the cluster anew.
func TestStoreOfAnotherPrefix(t *testing.T) {
	for _, serves := range []string{"a", ""} {
		synctest.Test(t, func(t *testing.T) {
			cl := newCluster(t)
			cl.othersOwn, cl.otherServes = true, serves
			began := time.Now()
			b := cl.start("b")
			if serves == "" {
				time.Sleep(time.Minute)
				cl.wantOwners("b")
				end(b)
				return
			}
			err := <-b.ended
			if !errors.Is(err, membership.ErrOtherStore) || !strings.Contains(err.Error(), "node b") || !strings.Contains(err.Error(), "node a") || !strings.Contains(err.Error(), "natstransport.Options.Prefix") {
				t.Errorf("it ended with %v", err)
			}
			if waited := time.Since(began); waited < membership.CalmTiming.Lease+membership.CalmTiming.Delta {
				t.Errorf("it was refused after %v: the store may be lost", waited)
			}
			if e, err := cl.store.Read(t.Context(), record.ConfigKey); err != nil || e.Rev != 0 {
				t.Errorf("the configuration is %s, %v", e.Value, err)
			}
		})
	}
}

// quick makes the leases of presets short, for tests in real time.
func quick(t *testing.T) membership.Timing {
	calm := membership.CalmTiming
	t.Cleanup(func() { membership.CalmTiming = calm })
	membership.CalmTiming = membership.Timing{Lease: time.Second, Delta: 100 * time.Millisecond}
	return membership.Timing{Lease: time.Second}
}

// TestOtherStoreWithRecords: a node hears of owners whose records are in another store than
// its own, which has records too: of a cluster that has ended, or of one that is served
// under other subjects. It is refused, whichever store is the older, and serves nothing
// beside them.
func TestOtherStoreWithRecords(t *testing.T) {
	t.Run("memory", func(t *testing.T) {
		for name, base := range map[string]uint64{"older": 1000, "newer": 3000} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					mine, theirs := memstore.New(), memstore.New()
					for store, base := range map[*memstore.Store]uint64{mine: base, theirs: 2000} {
						cfg := record.NewConfig(sharding.Layout{NumShards: shards})
						cfg.Base = base
						if _, err := store.Write(t.Context(), record.ConfigKey, 0, record.Encode(cfg)); err != nil {
							t.Fatal(err)
						}
					}
					otherStore(t, mine, theirs, membership.Timing{})
				})
			})
		}
	})
	t.Run("NATS", func(t *testing.T) {
		timing := quick(t)
		s, err := server.NewServer(&server.Options{Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true})
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
		t.Cleanup(s.WaitForShutdown)
		t.Cleanup(s.Shutdown)
		if !s.ReadyForConnections(10 * time.Second) {
			t.Fatal("the NATS server does not start")
		}
		url := s.ClientURL()
		for _, name := range []string{"older", "newer"} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				first, second := bucket(t, url, name+"-1"), bucket(t, url, name+"-2")
				if name == "newer" {
					first, second = second, first
				}
				otherStore(t, first, second, timing)
			})
		}
	})
}

func bucket(t *testing.T, url, prefix string) membership.Store {
	t.Helper()
	s, err := natsstore.Open(t.Context(), natsstore.Options{URL: url, Prefix: prefix, Memory: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// otherStore has a node serve by their store, and another start with mine, in which a
// cluster has been before.
func otherStore(t *testing.T, mine, theirs membership.Store, timing membership.Timing) {
	cl := newCluster(t)
	cl.timing = timing
	in := func(store membership.Store, name string, hears *member) *member {
		m := cl.member(name)
		m.store, m.hears = store, hears
		cl.run(m, m, 0)
		return m
	}
	settled := func(n int64) {
		for cl.settled.Load() < n {
			time.Sleep(10 * time.Millisecond)
		}
	}
	before := in(mine, "before", nil)
	settled(1)
	end(before)

	a := in(theirs, "a", nil)
	settled(2)
	began := time.Now()
	b := in(mine, "b", a)
	defer time.AfterFunc(time.Minute, b.stop).Stop() // where it is not refused
	if err := <-b.ended; !errors.Is(err, membership.ErrOtherStore) || !strings.Contains(err.Error(), "node a serves") || !strings.Contains(err.Error(), "as node b") {
		t.Errorf("it ended with %v", err)
	}
	if waited := time.Since(began); waited < membership.CalmTiming.Lease {
		t.Errorf("it was refused after %v: the store may have been restored", waited)
	}
	for shard := range uint32(shards) {
		if g := cl.serving[shard]; g == nil || !serves(g) {
			t.Fatalf("shard %d is not served any more", shard)
		}
	}
	end(a)

	c := in(mine, "c", a) // nobody serves under these subjects now
	settled(3)
	end(c)
}
