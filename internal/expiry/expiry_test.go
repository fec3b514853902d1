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
		s := New(time.Second)
		var exits [2 * laneCount]thing
		var others, later [4 * laneCount]thing
		for i := range exits {
			exits[i].then = runtime.Goexit
			s.Add(&exits[i].node, &exits[i], 0, Now())
			s.AddAt(&others[i].node, &others[i], Now()+int64(time.Second))
			s.Add(&others[len(exits)+i].node, &others[len(exits)+i], 0, Now())
		}
		pass(time.Minute)
		for i := range later {
			s.Add(&later[i].node, &later[i], 0, Now())
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
		s := New(time.Second, 3*time.Second, 0, -1)
		var early, late, long, never, none thing
		s.Add(&early.node, &early, 0, Now())
		s.Add(&long.node, &long, 1, Now())
		s.Add(&never.node, &never, 2, Now())
		s.Add(&none.node, &none, 3, Now())
		pass(500 * time.Millisecond)
		s.Add(&late.node, &late, 0, Now())
		pass(time.Hour)
		early.want(t, "early", time.Second)
		late.want(t, "late", 1500*time.Millisecond)
		long.want(t, "long", 3*time.Second)
		never.want(t, "of a class without a time")
		none.want(t, "of a class with a negative time")

		s.Add(&early.node, &early, 0, Now()) // the timer has slept and wakes again
		pass(time.Hour)
		early.want(t, "added again", time.Second, time.Hour+1500*time.Millisecond)
		s.Stop()
	})
}

func TestRemove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(time.Second)
		things := make([]thing, 5)
		for i := range things {
			s.Add(&things[i].node, &things[i], 0, Now())
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

func TestAddMovesToAnotherClass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(time.Second, 5*time.Second)
		var later, sooner thing
		s.Add(&later.node, &later, 0, Now())
		s.Add(&later.node, &later, 1, Now())
		s.Add(&sooner.node, &sooner, 1, Now())
		s.Add(&sooner.node, &sooner, 0, Now())
		pass(time.Minute)
		later.want(t, "moved to the longer class", 5*time.Second)
		sooner.want(t, "moved to the shorter class", time.Second)
		s.Stop()
	})
}

func TestExpireMayAddAndRemove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(time.Second)
		var again, other, victim thing
		again.then = func() {
			if len(again.told) < 3 {
				s.Add(&again.node, &again, 0, Now())
			}
			s.Remove(&victim.node)
		}
		s.Add(&again.node, &again, 0, Now())
		s.Add(&other.node, &other, 0, Now())
		pass(time.Millisecond)
		s.Add(&victim.node, &victim, 0, Now())
		pass(time.Minute)
		again.want(t, "adds itself", time.Second, 2*time.Second, 3*time.Second)
		other.want(t, "other", time.Second)
		victim.want(t, "removed by the one before it")
		s.Stop()
	})
}

func TestStopForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(time.Second)
		var before, after thing
		s.Add(&before.node, &before, 0, Now())
		s.Stop()
		pass(time.Minute)
		before.want(t, "added before Stop")
		s.Add(&after.node, &after, 0, Now())
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
	s := New(50*time.Microsecond, time.Hour)
	things := make([]counter, 64)
	var all sync.WaitGroup
	for i := range things {
		all.Go(func() {
			for n := range 300 {
				s.Add(&things[i].node, &things[i], n%2, Now())
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
		for i := range s.lanes[l].classes {
			if c := &s.lanes[l].classes[i]; c.root.next != &c.root || c.root.prev != &c.root {
				t.Errorf("class %d of lane %d is not empty after Stop", i, l)
			}
		}
	}
}
