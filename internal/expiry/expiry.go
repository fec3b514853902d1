// Many deadlines on few timers

// Package expiry ends things whose time is up: all that waits in this process has its one
// deadline in a [Set].
//
// A set keeps the moments of its things in heaps, with one timer for each. Adding a thing
// costs no allocation, and for a moment later than those before it one comparison. A timer
// each would cost both. There are several heaps side by side, and a thing goes into one that
// is not locked: a goroutine that is interrupted at a heap holds up few others.
// The tests are in expiry_test.go and heap_test.go.
package expiry

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// Expirer is told that its time is up, on a goroutine of the set's and without a lock held.
// It must not block, because others wait behind it.
type Expirer interface{ Expire() }

// Node is one thing's place in a set; embed it. The zero value is in no set. A node may be
// added again, with another moment, at any time.
type Node struct {
	lane  atomic.Pointer[lane] // nil while in no set; changes under its lane's lock
	at    atomic.Int64         // its moment; never while in no set; under the same lock
	index int                  // in the lane's heap
	owner Expirer
}

// laneCount is how many heaps a set has.
const laneCount = 16

// Set ends what stays in it until its moment. The zero value is ready to use. Its methods are
// safe for concurrent use and never block for long.
type Set struct{ lanes [laneCount]lane }

// lane is a heap under a lock, with its timer.
type lane struct {
	mu    sync.Mutex
	heap  moments
	timer *time.Timer
	armed bool
	due   int64 // moment at which the armed timer fires
}

// never is later than every moment.
const never = 1<<63 - 1

// lock locks a lane that is free, or waits for one.
func (s *Set) lock() *lane {
	start := rand.Uint32()
	for i := range uint32(laneCount) {
		if l := &s.lanes[(start+i)%laneCount]; l.mu.TryLock() {
			return l
		}
	}
	l := &s.lanes[start%laneCount]
	l.mu.Lock()
	return l
}

// Add has owner.Expire called at a moment, and not at the one that n was added with before.
func (s *Set) Add(n *Node, owner Expirer, moment int64) {
	for {
		s.Remove(n)
		l := s.lock()
		if n.lane.CompareAndSwap(nil, l) { // otherwise it was added elsewhere at the same moment
			n.owner = owner
			l.heap.push(due{moment, n})
			n.at.Store(moment)
			if !l.armed || moment < l.due {
				l.arm(moment)
			}
			l.mu.Unlock()
			return
		}
		l.mu.Unlock()
	}
}

// By is Add for an owner that may be told sooner: at the moment of an earlier Add or By. If the owner's time is not up then, it
// calls By again. If moments only grow, that spares most changes of the set. What the owner is to find when it is told must be
// there before By.
func (s *Set) By(n *Node, owner Expirer, moment int64) {
	if n.lane.Load() == nil || n.at.Load() > moment {
		s.Add(n, owner, moment)
	}
}

// Remove takes n out of the set. It returns false if n is in none: its owner may have been told, or be about
// to be.
func (s *Set) Remove(n *Node) (was bool) {
	for l := n.lane.Load(); l != nil; l = n.lane.Load() {
		l.mu.Lock()
		if n.lane.Load() == l {
			l.unlink(n)
			was = true
		}
		l.mu.Unlock()
	}
	return was
}

// unlink is called with mu held.
func (l *lane) unlink(n *Node) {
	l.heap.remove(n.index)
	n.at.Store(never) // first: By finds no moment of before in a lane of later
	n.lane.Store(nil)
}

// arm is called with mu held. The timer is not moved when the first node goes:
// it fires, finds nothing due, and sets itself for the next or goes to sleep.
func (l *lane) arm(moment int64) {
	l.armed, l.due = true, moment
	d := Until(moment)
	if l.timer == nil {
		l.timer = time.AfterFunc(d, l.fire)
		return
	}
	l.timer.Reset(d)
}

// fire is called by the timer.
func (l *lane) fire() {
	over := false
	defer func() {
		if !over { // an owner has ended the goroutine: another goes on with what is due
			go l.fire() // ends as this one
		}
	}()
	now := Now()
	for {
		l.mu.Lock()
		if l.armed = len(l.heap) > 0; !l.armed || l.heap[0].at > now {
			if l.armed {
				l.arm(l.heap[0].at)
			}
			over = true
			l.mu.Unlock()
			return
		}
		n := l.heap[0].node
		owner := n.owner // from then on it may be added elsewhere
		l.unlink(n)
		l.mu.Unlock()
		owner.Expire()
	}
}

// Stop ends the timers and forgets what is in the set.
func (s *Set) Stop() {
	for i := range s.lanes {
		l := &s.lanes[i]
		l.mu.Lock()
		if l.timer != nil {
			l.timer.Stop()
		}
		l.armed = false
		for len(l.heap) > 0 {
			l.unlink(l.heap[len(l.heap)-1].node)
		}
		l.mu.Unlock()
	}
}
