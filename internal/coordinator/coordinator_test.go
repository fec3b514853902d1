package coordinator

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/internal/standing"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/outcome"
)

type served struct {
	m *member
	g *standing.Standing
}

func (s served) Drain(context.Context) (outcome.DrainCounts, error) {
	time.Sleep(time.Millisecond)
	if serves(s.g) {
		s.m.cl.t.Errorf("shard %d drains and is served", s.g.Shard)
	}
	return outcome.DrainCounts{Parked: 1 + s.g.Shard}, nil
}
func (s served) Drop(ctx context.Context) error { _, err := s.Drain(ctx); return err }
func (s served) Close() error                   { return nil }
func (s served) Lapse() {
	s.m.lapses.Add(1)
	if !s.g.Gone() {
		s.m.cl.t.Errorf("shard %d has lapsed and is served", s.g.Shard)
	}
}

func TestNodesComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := newCluster(t)
		a := cl.start("a")
		time.Sleep(time.Second)
		cl.wantOwners("a")
		b, c := cl.start("b"), cl.start("c")
		time.Sleep(20 * time.Second)
		cl.wantOwners("a", "b", "c")
		if n := cl.settled.Load(); n != 3 {
			t.Errorf("%d nodes have settled, want 3", n)
		}
		end(b)
		time.Sleep(time.Second)
		cl.wantOwners("a", "c")
		cl.wantCosts("b")
		end(a, c)
	})
}

// TestNodeIsCutOff: it stops by itself before others serve its shards, and comes
// again afterwards.
func TestNodeIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := newCluster(t)
		a, b := cl.pair()
		b.cut.Store(true)
		time.Sleep(9100 * time.Millisecond)
		if n := cl.owners()["b"]; n != 0 {
			t.Errorf("the node serves %d shards when its lease has ended", n)
		}
		time.Sleep(3200 * time.Millisecond)
		cl.wantOwners("a")
		b.cut.Store(false)
		time.Sleep(30 * time.Second)
		cl.wantOwners("a", "b")
		end(a, b)
	})
}

// TestStoreIsAway: shorter than a lease it is not noticed; longer, and all wait
// and go on as they were.
func TestStoreIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := newCluster(t)
		a, b := cl.pair()
		opened := cl.opened.Load()
		for _, away := range []time.Duration{6500 * time.Millisecond, time.Minute} {
			a.cut.Store(true)
			b.cut.Store(true)
			time.Sleep(away)
			if n := len(cl.owners()); away < 7*time.Second && n != 2 || away > 10*time.Second && n != 0 {
				t.Errorf("after %v without the store %d nodes serve", away, n)
			}
			a.cut.Store(false)
			b.cut.Store(false)
			time.Sleep(3 * time.Second)
			cl.wantOwners("a", "b")
		}
		if n := cl.opened.Load() - opened; n != 0 {
			t.Errorf("%d shards moved because the store was away", n)
		}
		end(a, b)
	})
}

func TestNewerProcessTakesOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := newCluster(t)
		older := cl.start("a")
		time.Sleep(20 * time.Second)
		newer := cl.start("a")
		older.wantEnd(membership.ErrSuperseded)
		time.Sleep(time.Second)
		cl.wantOwners("a")
		end(newer)
	})
}

// TestLastNodeReleases: its shards wait for whom comes next.
func TestLastNodeReleases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := newCluster(t)
		a := cl.start("a")
		time.Sleep(time.Second)
		end(a)
		b := cl.start("b")
		time.Sleep(time.Second)
		cl.wantOwners("b")
		end(b)
	})
}
