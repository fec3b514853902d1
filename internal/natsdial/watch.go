// Watch: the runtime's monitor looks at the process in time

package natsdial

import (
	"sync"
	"sync/atomic"
	"time"
)

// watchTime is how long the runtime's monitor may sleep. A goroutine that computes without a pause is interrupted after
// the same time, if the monitor is awake.
const watchTime = 10 * time.Millisecond

// watch sees to it that the runtime's monitor does not sleep for long while a connection is used. The monitor interrupts
// goroutines that compute without a pause. It sleeps while the whole process is idle, until a goroutine tells the scheduler of
// a system call, or until the next timer. So the first call in each 10 ms is told to the scheduler, and sets a timer.
type watch struct {
	set atomic.Bool // the timer is set

	mu    sync.Mutex
	timer *time.Timer
}

// on reports whether the timer is set. Otherwise it sets the timer, and its caller tells the scheduler.
func (w *watch) on() bool {
	if w.set.Load() {
		return true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer == nil {
		w.timer = time.AfterFunc(watchTime, w.over)
	} else {
		w.timer.Reset(watchTime)
	}
	w.set.Store(true)
	return false
}

// over is called by the timer.
func (w *watch) over() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.set.Store(false)
}
