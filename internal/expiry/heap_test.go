package expiry

import (
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestMoments: each at its own moment, in whatever order they come.
func TestMoments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(Set)
		const n = 2000
		things, after := make([]thing, n), rand.Perm(n)
		began := Now()
		for i := range things {
			s.Add(&things[i].node, &things[i], began+int64(1+after[i])*int64(time.Millisecond)) // none is due before all have come
		}
		for i := range things { // some leave, some move
			switch i % 4 {
			case 1:
				s.Remove(&things[i].node)
			case 2:
				s.Add(&things[i].node, &things[i], began+int64(time.Hour))
			case 3:
				things[i].in(s, time.Second)
			}
		}
		pass(2 * time.Hour)
		for i := range things {
			switch i % 4 {
			case 0:
				things[i].want(t, "at its moment", time.Duration(1+after[i])*time.Millisecond)
			case 1:
				things[i].want(t, "removed")
			case 2:
				things[i].want(t, "moved to another moment", time.Hour)
			case 3:
				things[i].want(t, "moved to a moment of others", time.Second)
			}
		}
		s.Stop()
		for l := range s.lanes {
			if h := s.lanes[l].heap; len(h) != 0 || cap(h) > 64 {
				t.Errorf("lane %d keeps %d of %d", l, len(h), cap(h))
			}
		}
	})
}

// TestAnEarlierMomentRearms: the timer that waits for a later one is set again.
func TestAnEarlierMomentRearms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(Set)
		things := make([]thing, 4*laneCount) // several in each lane
		for i := range things {
			s.Add(&things[i].node, &things[i], Now()+int64(len(things)-i)*int64(time.Minute))
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
		s := new(Set)
		var far, last thing
		s.Add(&far.node, &far, At(time.Date(2500, 1, 1, 0, 0, 0, 0, time.UTC)))
		s.Add(&last.node, &last, Plus(Now(), math.MaxInt64))
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
	s := new(Set)
	c := &counter{}
	for range 2000 {
		var n Node
		var both sync.WaitGroup
		both.Go(func() { s.Add(&n, c, Now()+int64(time.Minute)) })
		both.Go(func() { s.Add(&n, c, Now()+int64(time.Hour)) })
		both.Wait()
		s.Remove(&n)
	}
	for l := range s.lanes {
		if len(s.lanes[l].heap) > 0 {
			t.Fatal("a node was left behind")
		}
	}
	s.Stop()
}

// TestMomentsOfEqualLength: things that all have the same time, which most have, end in the
// order in which they came, and cost no walk over those before.
func TestMomentsOfEqualLength(t *testing.T) {
	var h moments
	nodes := make([]Node, 1000)
	for i := range nodes {
		h.push(due{int64(i), &nodes[i]})
		if nodes[i].index != i {
			t.Fatalf("the thing that ends last has moved from place %d to %d", i, nodes[i].index)
		}
	}
	for i := range nodes {
		if h[0].node != &nodes[i] {
			t.Fatalf("number %d does not come in its turn", i)
		}
		h.remove(0)
	}
}
