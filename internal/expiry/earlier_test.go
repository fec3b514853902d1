package expiry

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestEarlierThanTheArmedTimer: a moment that its caller took a while ago is due
// before what was added before it, so that the timer is set again.
func TestEarlierThanTheArmedTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(10 * time.Second)
		var first [laneCount]thing // so that every lane has an armed timer
		for i := range first {
			held := first[:i]
			for j := range held { // the lanes that have one are not free
				held[j].node.class.Load().lane.mu.Lock()
			}
			s.Add(&first[i].node, &first[i], 0, Now())
			for j := range held {
				held[j].node.class.Load().lane.mu.Unlock()
			}
		}
		var back thing
		s.Add(&back.node, &back, 0, Now()-int64(9*time.Second))
		pass(time.Minute)
		back.want(t, "added with a moment that lies back", time.Second)
		for i := range first {
			first[i].want(t, "added before", 10*time.Second)
		}
	})
}
