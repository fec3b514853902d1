package coordinator

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/internal/record"
)

// ear is a member that can tell whether what is sent to it arrives.
type ear struct {
	*member
	came    atomic.Uint64
	dumb    atomic.Bool // it cannot tell
	lost    atomic.Bool // what it sends to itself does not arrive
	asked   atomic.Int64
	again   atomic.Int64
	refused atomic.Pointer[error]
}

func (e *ear) Heard() (uint64, bool) { return e.came.Load(), !e.dumb.Load() }

func (e *ear) AskItself(again bool) {
	e.asked.Add(1)
	if again {
		e.again.Add(1)
	}
	if !e.lost.Load() {
		e.came.Add(1)
	}
}

func (e *ear) Refused() error {
	if err := e.refused.Load(); err != nil {
		return *err
	}
	return nil
}

// hearing starts the nodes a and b, which then share the shards. b has an ear.
func (cl *cluster) hearing() (a *member, b *ear) {
	cl.t.Helper()
	a, b = cl.start("a"), &ear{member: cl.member("b")}
	cl.run(b.member, b, 0)
	time.Sleep(20 * time.Second)
	cl.wantOwners("a", "b")
	return a, b
}

// TestDeafNode: a node that reaches the store and that nothing reaches loses its shards within the
// bound of a death and two renewals, says why, and comes again.
func TestDeafNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := newCluster(t)
		a, b := cl.hearing()
		b.lost.Store(true)
		time.Sleep(3 * time.Second)
		if h := b.c.Health(); h.Deaf != nil || h.Lease < 6*time.Second {
			t.Errorf("after 3 s of silence it is %+v", h)
		}
		time.Sleep(2500 * time.Millisecond)
		if h := b.c.Health(); !errors.Is(h.Deaf, errDeaf) || h.Store != nil {
			t.Errorf("after 5.5 s of silence it is %+v", h)
		}
		time.Sleep(2 * time.Second)
		cl.wantOwners("a", "b") // it may be a moment
		time.Sleep(12300*time.Millisecond + 4*time.Second - 7500*time.Millisecond)
		cl.wantOwners("a")
		if n := b.again.Load(); n == 0 {
			t.Error("it has not asked for another connection")
		}
		time.Sleep(time.Minute)
		cl.wantOwners("a")
		b.lost.Store(false)
		time.Sleep(20 * time.Second)
		cl.wantOwners("a", "b")
		if h := b.c.Health(); h.Deaf != nil {
			t.Errorf("it hears, and is %+v", h)
		}
		end(a, b.member)
	})
}

// TestDeafNodeAlone: no other node takes its shards. It goes on with them when it hears.
func TestDeafNodeAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := newCluster(t)
		b := &ear{member: cl.member("b")}
		cl.run(b.member, b, 0)
		time.Sleep(10 * time.Second)
		cl.wantOwners("b")
		b.lost.Store(true)
		time.Sleep(time.Minute)
		if n := len(cl.owners()); n != 0 {
			t.Errorf("%d nodes serve", n)
		}
		b.lost.Store(false)
		time.Sleep(10 * time.Second)
		cl.wantOwners("b")
		end(b.member)
	})
}

// TestDeafForAMoment: a connection that is made anew moves nothing.
func TestDeafForAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := newCluster(t)
		a, b := cl.hearing()
		opened := cl.opened.Load()
		for range 5 {
			b.lost.Store(true)
			time.Sleep(7 * time.Second)
			b.lost.Store(false)
			time.Sleep(3 * time.Second)
			if h := b.c.Health(); h.Deaf != nil || h.Lease < 6*time.Second {
				t.Errorf("it hears again, and is %+v", h)
			}
		}
		if n := cl.opened.Load() - opened; n != 0 || b.lapses.Load() != 0 {
			t.Errorf("%d shards have moved, %d have lapsed", n, b.lapses.Load())
		}
		end(a, b.member)
	})
}

// TestFloodIsHeard: what a node sends to itself may be lost in a flood. The flood is proof enough.
func TestFloodIsHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := newCluster(t)
		a, b := cl.hearing()
		b.lost.Store(true)
		opened, asked := cl.opened.Load(), b.asked.Load()
		for range 600 {
			time.Sleep(100 * time.Millisecond)
			b.came.Add(1000)
		}
		if n := cl.opened.Load() - opened; n != 0 || b.lapses.Load() != 0 || b.c.Health().Deaf != nil {
			t.Errorf("%d shards have moved, %d have lapsed; %+v", n, b.lapses.Load(), b.c.Health())
		}
		if n := b.asked.Load() - asked; n != 0 {
			t.Errorf("it has asked itself %d times, although it hears", n)
		}
		b.lost.Store(false)
		end(a, b.member)
	})
}

// TestIdleNodeAsksItself: about once a second, and no more.
func TestIdleNodeAsksItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := newCluster(t)
		a, b := cl.hearing()
		asked := b.asked.Load()
		time.Sleep(time.Minute)
		if n := b.asked.Load() - asked; n < 25 || n > 60 || b.again.Load() != 0 {
			t.Errorf("it has asked itself %d times in a minute, and again %d times", n, b.again.Load())
		}
		end(a, b.member)
	})
}

// TestNodeThatCannotTell whether it hears keeps its lease.
func TestNodeThatCannotTell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := newCluster(t)
		a, b := cl.hearing()
		b.dumb.Store(true)
		b.lost.Store(true)
		time.Sleep(time.Minute)
		cl.wantOwners("a", "b")
		end(a, b.member)
	})
}

// TestRightIsTakenAway: a node that the server sends nothing any more hands over within a lease, and
// ends with the reason.
func TestRightIsTakenAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := newCluster(t)
		a, b := cl.hearing()
		denied := errors.New("not permitted")
		b.refused.Store(&denied)
		time.Sleep(time.Second)
		if h := b.c.Health(); !errors.Is(h.Subscribe, denied) {
			t.Errorf("it is %+v", h)
		}
		time.Sleep(8 * time.Second)
		cl.wantOwners("a", "b") // it may be a moment
		b.wantEnd(denied)
		time.Sleep(time.Second)
		cl.wantOwners("a")
		entries, _, _ := cl.store.Snapshot(t.Context(), record.MemberPrefix)
		for _, e := range entries {
			if ref, _ := record.ParseMemberKey(e.Key); ref.Name == "b" && cl.read(e.Key).State != record.Left {
				t.Errorf("its record says %+v", cl.read(e.Key))
			}
		}
		end(a)
	})
}

// TestRightIsBackInTime: nothing has happened.
func TestRightIsBackInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := newCluster(t)
		a, b := cl.hearing()
		denied := errors.New("not permitted")
		for range 3 {
			b.refused.Store(&denied)
			time.Sleep(8 * time.Second)
			b.refused.Store(nil)
			time.Sleep(8 * time.Second)
		}
		cl.wantOwners("a", "b")
		if h := b.c.Health(); h.Subscribe != nil {
			t.Errorf("it is %+v", h)
		}
		end(a, b.member)
	})
}
