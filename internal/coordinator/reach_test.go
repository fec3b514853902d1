package coordinator

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/membership"
)

// pair starts the nodes a and b, which then share the shards.
func (cl *cluster) pair() (a, b *member) {
	cl.t.Helper()
	a, b = cl.start("a"), cl.start("b")
	time.Sleep(20 * time.Second)
	cl.wantOwners("a", "b")
	return a, b
}

// TestNodeThatRequestsDoNotReach gives its shards away, and comes again.
func TestNodeThatRequestsDoNotReach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := newCluster(t)
		a, b := cl.pair()
		b.deaf.Store(true)
		time.Sleep(9 * time.Second)
		cl.wantOwners("a", "b") // it may be a moment
		time.Sleep(2 * time.Second)
		cl.wantOwners("a")
		b.deaf.Store(false)
		time.Sleep(20 * time.Second)
		cl.wantOwners("a", "b")
		end(a, b)
	})
}

// TestNodeThatCannotSubscribe gives its shards away, and ends with the reason.
func TestNodeThatCannotSubscribe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := newCluster(t)
		a := cl.start("a")
		time.Sleep(5 * time.Second)
		b := cl.start("b")
		b.mute.Store(true)
		b.wantEnd(errCut)
		time.Sleep(time.Second)
		cl.wantOwners("a")
		end(a)
	})
}

// TestLeaseEnds: what runs is told at that moment, not when others are told.
func TestLeaseEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := newCluster(t)
		a := cl.start("a")
		time.Sleep(5 * time.Second)
		a.cut.Store(true)
		time.Sleep(6900 * time.Millisecond)
		if n := a.lapses.Load(); n != 0 {
			t.Errorf("%d shards have lapsed early", n)
		}
		time.Sleep(2200 * time.Millisecond)
		if n := a.lapses.Load(); n != shards {
			t.Errorf("%d of %d shards have lapsed", n, shards)
		}
		a.cut.Store(false)
		time.Sleep(3 * time.Second)
		cl.wantOwners("a")
		end(a)
	})
}

// TestOlderProcessComesAgain: one that was taken for dead does not oust the process
// that has come in its place.
func TestOlderProcessComesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := newCluster(t)
		b, older := cl.start("b"), cl.start("a")
		time.Sleep(20 * time.Second)
		older.cut.Store(true)
		time.Sleep(15 * time.Second)
		newer := cl.start("a")
		time.Sleep(20 * time.Second)
		cl.wantOwners("a", "b")
		older.cut.Store(false)
		older.wantEnd(membership.ErrSuperseded)
		time.Sleep(20 * time.Second)
		cl.wantOwners("a", "b")
		end(b, newer)
	})
}

// TestNodeThatCannotWatch joins, takes part and leaves all the same: it looks often
// enough. It watches when it can.
func TestNodeThatCannotWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := newCluster(t)
		a := cl.start("a")
		a.blind.Store(true)
		time.Sleep(5 * time.Second)
		cl.wantOwners("a")
		b := cl.member("b")
		b.blind.Store(true)
		cl.run(b, b, 0)
		time.Sleep(20 * time.Second)
		cl.wantOwners("a", "b")
		if b.watches.Load() {
			t.Fatal("it watches although it cannot")
		}
		b.blind.Store(false)
		time.Sleep(2 * time.Second)
		if !b.watches.Load() {
			t.Error("it can watch, and does not")
		}
		end(a)
		time.Sleep(time.Second)
		cl.wantOwners("b")
		end(b)
	})
}
