// Passivation by idle time

package host

import (
	"sync"
	"sync/atomic"
	"time"
)

// idleSteps is the number of steps in which idle time is measured. A key is passivated when it
// has been idle for its time, or one step later at most.
const idleSteps = 8

// idler passivates the keys of a host that got no message for a while. It counts
// use in deliveries, not in time, so that a delivery needs
// no look at a clock. The idler notes the count at each step. A key is idle
// if its last delivery is older than the count of eight steps ago.
type idler struct {
	host  *Host
	after atomic.Int64 // nanoseconds; 0 is off

	mu      sync.Mutex
	timer   *time.Timer
	armed   bool
	stopped bool
	marks   [idleSteps]int64
	step    int
}

// use sets the idle time from an entity's definition, unless one is set.
func (i *idler) use(after time.Duration) {
	if after > 0 && i.after.CompareAndSwap(0, int64(after)) {
		i.wake()
	}
}

// wake starts the steps; without an active key they stop.
func (i *idler) wake() {
	if i.after.Load() <= 0 {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.armed || i.stopped {
		return
	}
	i.armed = true
	i.marks = [idleSteps]int64{} // nothing is as old as that
	i.arm()
}

func (i *idler) arm() {
	d := max(time.Duration(i.after.Load())/idleSteps, time.Millisecond)
	if i.timer == nil {
		i.timer = time.AfterFunc(d, i.tick)
		return
	}
	i.timer.Reset(d)
}

func (i *idler) tick() {
	h := i.host
	i.mu.Lock()
	if i.stopped {
		i.mu.Unlock()
		return
	}
	limit := i.marks[i.step]
	i.marks[i.step] = h.ages.clock.Load()
	i.step = (i.step + 1) % idleSteps
	i.mu.Unlock()

	h.ages.reading.Lock()
	r := reader{ages: &h.ages, until: limit}
	for c := r.next(); c != nil; c = r.next() {
		c.stopIdle()
	}
	r.end()
	h.ages.reading.Unlock()

	i.mu.Lock()
	defer i.mu.Unlock()
	if i.armed = h.bound.active.Load() > 0 && !i.stopped; i.armed {
		i.arm()
	}
}

func (i *idler) stop() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.stopped = true
	if i.timer != nil {
		i.timer.Stop()
	}
}
