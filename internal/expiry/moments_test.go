package expiry

import (
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestMoments: each at its own moment, in whatever order they come.
func TestMoments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(time.Second)
		const n = 2000
		things, after := make([]thing, n), rand.Perm(n)
		began := Now()
		for i := range things {
			s.AddAt(&things[i].node, &things[i], began+int64(after[i])*int64(time.Millisecond))
		}
		for i := range things { // some leave, some move
			switch i % 4 {
			case 1:
				s.Remove(&things[i].node)
			case 2:
				s.AddAt(&things[i].node, &things[i], began+int64(time.Hour))
			case 3:
				s.Add(&things[i].node, &things[i], 0, began)
			}
		}
		pass(2 * time.Hour)
		for i := range things {
			switch i % 4 {
			case 0:
				things[i].want(t, "at its moment", time.Duration(after[i])*time.Millisecond)
			case 1:
				things[i].want(t, "removed")
			case 2:
				things[i].want(t, "moved to another moment", time.Hour)
			case 3:
				things[i].want(t, "moved to a class", time.Second)
			}
		}
		s.Stop()
		for l := range s.lanes {
			if c := &s.lanes[l].classes[1]; len(c.heap) != 0 || cap(c.heap) > 64 {
				t.Errorf("lane %d keeps %d of %d", l, len(c.heap), cap(c.heap))
			}
		}
	})
}

// TestAnEarlierMomentRearms: the timer that waits for a later one is set again.
func TestAnEarlierMomentRearms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New()
		things := make([]thing, 4*laneCount) // several in each lane
		for i := range things {
			s.AddAt(&things[i].node, &things[i], Now()+int64(len(things)-i)*int64(time.Minute))
		}
		pass(2 * time.Hour)
		for i := range things {
			things[i].want(t, "of an earlier moment than those before", time.Duration(len(things)-i)*time.Minute)
		}
		s.Stop()
	})
}

// TestFarMoments: what is further away than a duration reaches is no moment in the
// past. In a bubble, now lies before the process began.
func TestFarMoments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New()
		var far, last thing
		s.AddAt(&far.node, &far, At(time.Date(2500, 1, 1, 0, 0, 0, 0, time.UTC)))
		s.AddAt(&last.node, &last, Plus(Now(), math.MaxInt64))
		pass(time.Hour)
		far.want(t, "in the year 2500")
		last.want(t, "at the end of time")
		s.Stop()

		if d := Until(math.MaxInt64); d < 250*365*24*time.Hour {
			t.Errorf("the end of time is %v away", d)
		}
		if d := Until(math.MinInt64); d > -250*365*24*time.Hour {
			t.Errorf("the beginning of time was %v ago", -d)
		}
		if m := Plus(math.MaxInt64-1, time.Hour); m != math.MaxInt64 {
			t.Errorf("an hour after the end: %d", m)
		}
		if m := Plus(5, -time.Nanosecond); m != 4 {
			t.Errorf("a moment before 5: %d", m)
		}
	})
}

// TestTwoAddOneNode: a node that two add at the same moment is in one place.
func TestTwoAddOneNode(t *testing.T) {
	s := New(time.Hour)
	c := &counter{}
	for range 2000 {
		var n Node
		var both sync.WaitGroup
		both.Go(func() { s.Add(&n, c, 0, Now()) })
		both.Go(func() { s.AddAt(&n, c, Now()+int64(time.Hour)) })
		both.Wait()
		s.Remove(&n)
	}
	for l := range s.lanes {
		for i := range s.lanes[l].classes {
			if s.lanes[l].classes[i].first() != nil {
				t.Fatal("a node was left behind")
			}
		}
	}
	s.Stop()
}

// TestListsAreNotWalked: members that come in falling order, as a sender may choose,
// cost no walk over all that came before. Each ends at its moment.
func TestListsAreNotWalked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const members = 20_000
		s := New(time.Hour)
		now := Now()
		var ended atomic.Int64
		var nodes [members]struct {
			Node
			done expirerFunc
		}
		for i := range nodes {
			at := now - int64(i)*int64(time.Millisecond)
			nodes[i].done = func() {
				if late := Now() - at - int64(time.Hour); late < 0 || late > int64(time.Millisecond) {
					t.Errorf("member %d ended %v too late", i, time.Duration(late))
				}
				ended.Add(1)
			}
			s.Add(&nodes[i].Node, nodes[i].done, 0, at)
		}
		listed := 0
		for l := range s.lanes {
			for n := s.lanes[l].classes[0].root.next; n != &s.lanes[l].classes[0].root; n = n.next {
				listed++
			}
		}
		if listed > laneCount*mostSteps {
			t.Errorf("%d of %d members that come in falling order are in lists", listed, members)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := ended.Load(); n != members {
			t.Errorf("%d of %d have ended", n, members)
		}
	})
}

type expirerFunc func()

func (f expirerFunc) Expire() { f() }
