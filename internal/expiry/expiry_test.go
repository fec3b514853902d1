package expiry

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// thing notes when it was told.
type thing struct {
	node Node
	told []time.Time
	then func()
}

func (x *thing) Expire() {
	x.told = append(x.told, time.Now())
	if x.then != nil {
		x.then()
	}
}

// in adds it, to be told after a while.
func (x *thing) in(s *Set, after time.Duration) { s.Add(&x.node, x, Plus(Now(), after)) }

func (x *thing) want(t *testing.T, what string, at ...time.Duration) {
	t.Helper()
	if len(x.told) != len(at) {
		t.Errorf("%s: told %d times, want %d", what, len(x.told), len(at))
		return
	}
	for i, d := range at {
		if got := x.told[i].Sub(bubbleStart); got != d {
			t.Errorf("%s: told after %v, want %v", what, got, d)
		}
	}
}

// pass lets the bubble's time pass and waits for what that sets going.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// bubbleStart is when every bubble begins.
var bubbleStart = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// TestAnOwnerThatEndsItsGoroutine holds up no other, and none that is added later.
func TestAnOwnerThatEndsItsGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(Set)
		var exits [2 * laneCount]thing
		var others, later [4 * laneCount]thing
		for i := range exits {
			exits[i].then = runtime.Goexit
			exits[i].in(s, time.Second)
			others[i].in(s, time.Second)
			others[len(exits)+i].in(s, time.Second)
		}
		pass(time.Minute)
		for i := range later {
			later[i].in(s, time.Second)
		}
		pass(time.Minute)
		for i := range others {
			others[i].want(t, "beside it", time.Second)
			later[i].want(t, "added later", 61*time.Second)
		}
	})
}

func TestExpiresInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(Set)
		var early, late, long, never thing
		early.in(s, time.Second)
		long.in(s, 3*time.Second)
		never.in(s, Forever)
		pass(500 * time.Millisecond)
		late.in(s, time.Second)
		pass(time.Hour)
		early.want(t, "early", time.Second)
		late.want(t, "late", 1500*time.Millisecond)
		long.want(t, "long", 3*time.Second)
		never.want(t, "of no time")

		early.in(s, time.Second) // the timer has slept and wakes again
		pass(time.Hour)
		early.want(t, "added again", time.Second, time.Hour+1500*time.Millisecond)
		s.Stop()
	})
}

func TestRemove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(Set)
		things := make([]thing, 5)
		for i := range things {
			things[i].in(s, time.Second)
		}
		for _, i := range []int{0, 2, 4} { // first, middle, last
			s.Remove(&things[i].node)
			s.Remove(&things[i].node)
		}
		var unknown Node
		s.Remove(&unknown)
		pass(time.Minute)
		for i := range things {
			if i%2 == 0 {
				things[i].want(t, "removed")
			} else {
				things[i].want(t, "kept", time.Second)
			}
		}
		s.Stop()
	})
}

func TestAddMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(Set)
		var later, sooner thing
		later.in(s, time.Second)
		later.in(s, 5*time.Second)
		sooner.in(s, 5*time.Second)
		sooner.in(s, time.Second)
		pass(time.Minute)
		later.want(t, "moved to later", 5*time.Second)
		sooner.want(t, "moved to sooner", time.Second)
		s.Stop()
	})
}

// TestBy: an earlier moment of before stays, and a later one does not.
func TestBy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(Set)
		var later, earlier, over, removed thing
		by := func(x *thing, after time.Duration) { s.By(&x.node, x, Plus(Now(), after)) }
		by(&later, time.Second)
		by(&later, 2*time.Second)
		by(&earlier, 2*time.Second)
		by(&earlier, time.Second)
		over.then = func() {
			if len(over.told) == 1 {
				by(&over, time.Second)
			}
		}
		by(&over, time.Second)
		by(&removed, time.Second)
		s.Remove(&removed.node)
		by(&removed, 2*time.Second)
		pass(time.Minute)
		later.want(t, "with a later moment", time.Second)
		earlier.want(t, "with an earlier moment", time.Second)
		over.want(t, "added when told", time.Second, 2*time.Second)
		removed.want(t, "added when removed", 2*time.Second)
	})
}

// looker has a moment that changes while the set tells it.
type looker struct {
	node Node
	set  *Set
	due  atomic.Int64
	told chan struct{}
}

func (l *looker) Expire() {
	if due := l.due.Load(); due > Now() {
		l.set.By(&l.node, l, due)
		return
	}
	l.told <- struct{}{}
}

// TestByAtTheMomentItIsTold: whatever the set does at that moment, the owner hears of its new moment.
func TestByAtTheMomentItIsTold(t *testing.T) {
	l := &looker{set: new(Set), told: make(chan struct{}, 1000)}
	defer l.set.Stop()
	for i := range 300 {
		first := Plus(Now(), time.Duration(i%20)*5*time.Microsecond)
		l.due.Store(first)
		l.set.By(&l.node, l, first)
		for Now() < first { // until about then
			runtime.Gosched()
		}
		next := Now() + int64(i%7)*int64(time.Microsecond)
		l.due.Store(next)
		l.set.By(&l.node, l, next)
		<-l.told
		l.set.Remove(&l.node) // it may have been told of both
		select {
		case <-l.told:
		default:
		}
	}
}

func TestExpireMayAddAndRemove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(Set)
		var again, other, victim thing
		again.then = func() {
			if len(again.told) < 3 {
				again.in(s, time.Second)
			}
			s.Remove(&victim.node)
		}
		again.in(s, time.Second)
		other.in(s, time.Second)
		pass(time.Millisecond)
		victim.in(s, time.Second)
		pass(time.Minute)
		again.want(t, "adds itself", time.Second, 2*time.Second, 3*time.Second)
		other.want(t, "other", time.Second)
		victim.want(t, "removed by the one before it")
		s.Stop()
	})
}

func TestStopForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(Set)
		var before, after thing
		before.in(s, time.Second)
		s.Stop()
		pass(time.Minute)
		before.want(t, "added before Stop")
		after.in(s, time.Second)
		pass(time.Minute)
		after.want(t, "added after Stop", 61*time.Second)
		s.Stop()
	})
}

// counter is told from many goroutines.
type counter struct {
	node Node
	told atomic.Int32
}

func (c *counter) Expire() { c.told.Add(1) }

func TestAddAndRemoveRace(t *testing.T) {
	s := new(Set)
	things := make([]counter, 64)
	var all sync.WaitGroup
	for i := range things {
		all.Go(func() {
			for n := range 300 {
				s.Add(&things[i].node, &things[i], Now()+int64(n%2)*int64(time.Hour)+int64(50*time.Microsecond))
				if n%3 == 0 {
					s.Remove(&things[i].node)
				}
			}
		})
	}
	all.Go(func() {
		for range 100 {
			s.Remove(&things[0].node)
		}
	})
	all.Wait()
	s.Stop()
	for l := range s.lanes {
		if n := len(s.lanes[l].heap); n > 0 {
			t.Errorf("lane %d has %d after Stop", l, n)
		}
	}
}

// TestRemoveSaysWhetherItWasThere: otherwise its owner may be about to be told.
func TestRemoveSaysWhetherItWasThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s Set
		x := &thing{}
		if s.Remove(&x.node) {
			t.Error("it was in no set")
		}
		x.in(&s, time.Second)
		if !s.Remove(&x.node) || s.Remove(&x.node) {
			t.Error("it was there once")
		}
		x.in(&s, time.Second)
		<-time.After(2 * time.Second)
		synctest.Wait()
		if s.Remove(&x.node) {
			t.Error("it was there, and its owner was told")
		}
	})
}
