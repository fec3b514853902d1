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
	after atomic.Int64 // nanoseconds; 0 is not set, and below 0 is never

	mu      sync.Mutex
	timer   *time.Timer // nil without an idle time
	stopped bool
	marks   [idleSteps]int64
	step    int
}

// use sets the idle time, the host's or that of an entity's definition, unless one is set.
func (i *idler) use(after time.Duration) {
	if after == 0 || !i.after.CompareAndSwap(0, int64(after)) || after < 0 {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.stopped {
		i.timer = time.AfterFunc(i.pause(), i.tick)
	}
}

// pause is how long a step takes.
func (i *idler) pause() time.Duration {
	return max(time.Duration(i.after.Load())/idleSteps, time.Millisecond)
}

func (i *idler) tick() {
	ages := &i.host.ages
	i.mu.Lock()
	limit := i.marks[i.step] // nothing is as old as the first eight
	i.marks[i.step] = ages.now()
	i.step = (i.step + 1) % idleSteps
	i.mu.Unlock()

	ages.reading.Lock()
	r := reader{ages: ages, until: limit}
	for c := r.next(); c != nil; c = r.next() {
		c.stopIdle()
	}
	r.end()
	ages.reading.Unlock()

	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.stopped {
		i.timer.Reset(i.pause())
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
