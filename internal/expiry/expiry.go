// Package expiry ends things that take longer than a fixed time.
//
// Things that all get the same time run out in the order in which they came, so
// a list and one timer serve any number of them: adding and removing is a few
// pointers under a lock, where a timer each would cost an allocation and a heap.
// The tests are in expiry_test.go.
package expiry

import (
	"sync"
	"time"
)

// base makes moments cheap to take and to compare: nanoseconds on the monotonic
// clock.
var base = time.Now()

// Now returns the current moment in nanoseconds since an arbitrary start, by
// the monotonic clock.
func Now() int64 { return int64(time.Since(base)) }

// At is [Now] for a time that was just read.
func At(t time.Time) int64 { return int64(t.Sub(base)) }

// Expirer is told that its time has run out, on a goroutine of the queue's and
// without a lock held.
type Expirer interface{ Expire() }

// Node is one thing's place in a set; embed it. The zero value is in no set. A
// node may be added again, with another class, at any time.
type Node struct {
	prev, next *Node
	class      *class // nil while in no set
	at         int64
	owner      Expirer
}

// Set ends what stays in it for longer than the duration of its class. Make one
// with [New]. Its methods are safe for concurrent use and never block for long.
type Set struct {
	mu      sync.Mutex
	classes []class
}

// class is a list whose members all have the same time.
type class struct {
	set   *Set
	after time.Duration
	root  Node // root.next expires first
	timer *time.Timer
	armed bool
}

// New makes a set with one class for each duration; a duration that is not
// positive makes a class that never ends anything.
func New(classes ...time.Duration) *Set {
	s := &Set{classes: make([]class, len(classes))}
	for i, after := range classes {
		c := &s.classes[i]
		c.set, c.after = s, after
		c.root.prev, c.root.next = &c.root, &c.root
	}
	return s
}

// Add puts n into the class with the given index, out of the one it was in:
// owner.Expire is called after the class's duration, counted from now, a moment
// taken by [Now] lately.
func (s *Set) Add(n *Node, owner Expirer, index int, now int64) {
	c := &s.classes[index]
	if c.after <= 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n.unlink()
	n.owner, n.class, n.at = owner, c, now+int64(c.after)
	last := c.root.prev
	for last != &c.root && last.at > n.at { // moments come in about their order
		last = last.prev
	}
	n.prev, n.next = last, last.next
	last.next.prev, last.next = n, n
	if !c.armed {
		c.arm(c.after)
	}
}

// Remove takes n out of whatever class it is in. If it is in none, its owner
// may have been told, or be about to be.
func (s *Set) Remove(n *Node) {
	s.mu.Lock()
	n.unlink()
	s.mu.Unlock()
}

func (n *Node) unlink() {
	if n.class == nil {
		return
	}
	n.prev.next, n.next.prev = n.next, n.prev
	n.prev, n.next, n.class = nil, nil, nil
}

// arm is called with mu held. The timer is not moved when the first node goes:
// it fires, finds nothing due, and sets itself for the next or goes to sleep.
func (c *class) arm(d time.Duration) {
	c.armed = true
	if c.timer == nil {
		c.timer = time.AfterFunc(d, c.fire)
		return
	}
	c.timer.Reset(d)
}

func (c *class) fire() {
	now := Now()
	for {
		c.set.mu.Lock()
		first := c.root.next
		if first == &c.root {
			c.armed = false
			c.set.mu.Unlock()
			return
		}
		if first.at > now {
			c.arm(time.Duration(first.at - now))
			c.set.mu.Unlock()
			return
		}
		first.unlink()
		owner := first.owner
		c.set.mu.Unlock()
		owner.Expire()
	}
}

// Stop ends the timers and forgets what is in the set.
func (s *Set) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.classes {
		c := &s.classes[i]
		if c.timer != nil {
			c.timer.Stop()
		}
		c.armed = false
		for c.root.next != &c.root {
			c.root.next.unlink()
		}
	}
}
