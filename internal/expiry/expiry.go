// Many deadlines of few lengths on few timers

// Package expiry ends things that take longer than a fixed time.
//
// Things that all get the same time run out in the order in which they came, so
// a list and one timer serve any number of them: adding and removing is a few
// pointers under a lock, where a timer each would cost an allocation and a heap.
// Things that end at a moment of their own go into a heap beside the lists
// ([Set.AddAt]), which costs no allocation either.
// There are several such lists side by side, and a thing goes into one that
// nobody is at: whoever is interrupted at a list holds up few.
// The tests are in expiry_test.go and moments_test.go.
package expiry

import (
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// base makes moments cheap to take and to compare: nanoseconds on the monotonic
// clock.
var base = time.Now()

// Now returns the current moment in nanoseconds since an arbitrary start, by
// the monotonic clock. Under virtual time it may be negative.
func Now() int64 { return int64(time.Since(base)) }

// At is [Now] for a time that was just read.
func At(t time.Time) int64 { return int64(t.Sub(base)) }

// Forever is what longer times count as: added to a moment it does not overflow.
const Forever = time.Duration(math.MaxInt64 / 4)

// Until returns how long it is from now to a moment. It does not overflow, however
// far away that is.
func Until(moment int64) time.Duration { return minus(moment, Now()) }

// minus is a - b, or the nearest duration that there is.
func minus(a, b int64) time.Duration {
	switch d := a - b; {
	case a > 0 && b < 0 && d < 0:
		return math.MaxInt64
	case a < 0 && b > 0 && d > 0:
		return math.MinInt64
	default:
		return time.Duration(d)
	}
}

// Plus returns the moment that is d after another, or the last that there is.
func Plus(moment int64, d time.Duration) int64 {
	if sum := moment + int64(d); d < 0 || sum >= moment {
		return sum
	}
	return math.MaxInt64
}

// Expirer is told that its time has run out, on a goroutine of the queue's and
// without a lock held.
type Expirer interface{ Expire() }

// Node is one thing's place in a set; embed it. The zero value is in no set. A
// node may be added again, with another class, at any time.
type Node struct {
	prev, next *Node
	class      atomic.Pointer[class] // nil while in no set; changes under its lane's lock
	at         int64
	index      int // in the heap of moments
	owner      Expirer
}

// laneCount is how many lists of each class there are.
const laneCount = 16

// Set ends what stays in it for longer than the duration of its class, or until its
// moment. Make one with [New]. Its methods are safe for concurrent use and never block for long.
type Set struct{ lanes [laneCount]lane }

// lane is a list of each class, under one lock.
type lane struct {
	mu      sync.Mutex
	classes []class // the last is of moments
}

// class is a list whose members all have the same time, or a heap of those that have
// moments of their own.
type class struct {
	lane  *lane
	after time.Duration
	root  Node // root.next expires first
	own   bool // each member has a moment of its own: they are in the heap
	heap  moments
	timer *time.Timer
	armed bool
	due   int64 // moment at which the armed timer fires
}

// New makes a set with one class for each duration; a duration that is not
// positive makes a class that never ends anything.
func New(classes ...time.Duration) *Set {
	s := &Set{}
	for l := range s.lanes {
		lane := &s.lanes[l]
		lane.classes = make([]class, len(classes)+1)
		for i := range lane.classes {
			c := &lane.classes[i]
			c.lane = lane
			c.root.prev, c.root.next = &c.root, &c.root
			if c.own = i == len(classes); !c.own {
				c.after = classes[i]
			}
		}
	}
	return s
}

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

// Add puts n into the class with the given index, out of the one it was in:
// owner.Expire is called after the class's duration, counted from now, a moment
// taken by [Now] lately.
func (s *Set) Add(n *Node, owner Expirer, index int, now int64) {
	after := s.lanes[0].classes[index].after
	if after <= 0 {
		return
	}
	s.put(n, owner, index, now+int64(after))
}

// put adds n to a class, out of the one it was in.
func (s *Set) put(n *Node, owner Expirer, index int, at int64) {
	for {
		s.Remove(n)
		l := s.lock()
		c := &l.classes[index]
		if !c.own && c.far(at) {
			c = &l.classes[len(l.classes)-1]
		}
		if n.class.CompareAndSwap(nil, c) { // otherwise it was added elsewhere at the same moment
			n.owner, n.at = owner, at
			c.link(n)
			l.mu.Unlock()
			return
		}
		l.mu.Unlock()
	}
}

// mostSteps is how far from the end of a list a member may come into it.
const mostSteps = 16

// far reports whether a member that ends at that moment would come into the list far
// from its end. Then the heap takes it: otherwise members that come in falling order
// would walk over all before them. It is called with the lane's mu held.
func (c *class) far(at int64) bool {
	last := c.root.prev
	for range mostSteps {
		if last == &c.root || last.at <= at {
			return false
		}
		last = last.prev
	}
	return true
}

// link is called with the lane's mu held.
func (c *class) link(n *Node) {
	if c.own {
		c.heap.push(n)
	} else {
		last := c.root.prev
		for last != &c.root && last.at > n.at { // moments come in about their order
			last = last.prev
		}
		n.prev, n.next = last, last.next
		last.next.prev, last.next = n, n
	}
	if !c.armed || n.at < c.due { // its now may lie back a while
		c.arm(n.at)
	}
}

// first returns what expires first, or nil. It is called with the lane's mu held.
func (c *class) first() *Node {
	switch {
	case len(c.heap) > 0:
		return c.heap[0]
	case !c.own && c.root.next != &c.root:
		return c.root.next
	}
	return nil
}

// Remove takes n out of whatever class it is in. If it is in none, its owner
// may have been told, or be about to be.
func (s *Set) Remove(n *Node) {
	for c := n.class.Load(); c != nil; c = n.class.Load() {
		c.lane.mu.Lock()
		if n.class.Load() == c {
			n.unlink()
		}
		c.lane.mu.Unlock()
	}
}

// unlink is called with the lane's mu held.
func (n *Node) unlink() {
	if c := n.class.Load(); c.own {
		c.heap.remove(n)
	} else {
		n.prev.next, n.next.prev = n.next, n.prev
		n.prev, n.next = nil, nil
	}
	n.class.Store(nil)
}

// arm is called with mu held. The timer is not moved when the first node goes:
// it fires, finds nothing due, and sets itself for the next or goes to sleep.
func (c *class) arm(at int64) {
	c.armed, c.due = true, at
	d := Until(at)
	if c.timer == nil {
		c.timer = time.AfterFunc(d, c.fire)
		return
	}
	c.timer.Reset(d)
}

// fire is called by the timer.
func (c *class) fire() {
	over := false
	defer func() {
		if !over { // an owner has ended the goroutine: another goes on with what is due
			go c.fire() // ends as this one
		}
	}()
	now := Now()
	for {
		c.lane.mu.Lock()
		first := c.first()
		if first == nil {
			c.armed, over = false, true
			c.lane.mu.Unlock()
			return
		}
		if first.at > now {
			c.arm(first.at)
			over = true
			c.lane.mu.Unlock()
			return
		}
		owner := first.owner // from then on it may be added elsewhere
		first.unlink()
		c.lane.mu.Unlock()
		owner.Expire()
	}
}

// Stop ends the timers and forgets what is in the set.
func (s *Set) Stop() {
	for l := range s.lanes {
		s.lanes[l].stop()
	}
}

func (l *lane) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.classes {
		c := &l.classes[i]
		if c.timer != nil {
			c.timer.Stop()
		}
		c.armed = false
		for n := c.first(); n != nil; n = c.first() {
			n.unlink()
		}
	}
}
