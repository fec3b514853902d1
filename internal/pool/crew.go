// The workers of one processor, and the tasks that they are to run

package pool

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// maxIdle bounds the parked workers of a crew; a worker beyond it ends.
const maxIdle = 32

// crew is the workers of one processor, mostly, and the tasks that have a slot and wait for one of them. The goroutine
// that hands a task over wakes the worker that runs it, so both stay on their processor.
type crew struct {
	mu     sync.Mutex
	idle   []*worker // parked, the last used last
	line   lines     // tasks that have a slot and no worker yet
	called bool      // a worker is on its way to the line
	closed bool
	_      [128]byte // processors fetch two lines of 64 bytes at a time
}

type worker struct {
	wake chan struct{} // cap 1; closed to end the worker
	slot slot
	crew *crew
}

// crews are the crews of a pool.
type crews struct {
	all  []crew
	near sync.Pool // *crew: what each processor had last
	next atomic.Uint32
}

// maxCrews bounds the crews of a pool.
const maxCrews = 64

// crewsFor is how many crews serve so many slots: two for each processor, because two processors may come to the same one
// after a garbage collection. More crews than slots would be of no use, and with one slot the tasks start in order.
func crewsFor(slots int) int {
	n := runtime.GOMAXPROCS(0)
	if n > 1 {
		n = 2 * n
	}
	return max(1, min(n, slots, maxCrews))
}

// mine returns the crew of the processor that the caller runs on. That is a hint, and nothing but speed depends on it.
func (c *crews) mine() *crew {
	if len(c.all) == 1 {
		return &c.all[0]
	}
	of, ok := c.near.Get().(*crew)
	if !ok {
		of = &c.all[c.next.Add(1)%uint32(len(c.all))]
	}
	c.near.Put(of)
	return of
}

// call gets a worker for the crew's line, if tasks wait there. It is called after each change of line or called, with
// the crew's lock held, and lets go of it.
func (c *crew) call(p *Pool) {
	if c.called || c.line.len() == 0 {
		c.mu.Unlock()
		return
	}
	c.called = true
	if n := len(c.idle); n > 0 {
		w := c.idle[n-1]
		c.idle[n-1] = nil
		c.idle = c.idle[:n-1]
		c.mu.Unlock()
		w.wake <- struct{}{}
		return
	}
	p.mu.Lock()
	p.workers++
	p.mu.Unlock()
	c.mu.Unlock()
	w := &worker{wake: make(chan struct{}, 1), crew: c}
	w.slot.pool = p
	go w.work() // ends when it is idle and one too many, or at Close
}

func (w *worker) work() {
	p, c, id := w.slot.pool, w.crew, goroutine()
	p.mu.Lock()
	p.inside[id] = struct{}{}
	p.mu.Unlock()
	running := false
	defer func() {
		if running { // the task ended the goroutine (runtime.Goexit) or panicked: its slot goes on before the panic takes its course
			p.free()
		}
		p.gone(id)
	}()
	c.mu.Lock()
	c.called = false
	for {
		t, _ := c.line.pop()
		if t == nil {
			if c.closed || len(c.idle) >= maxIdle {
				c.mu.Unlock()
				return
			}
			c.idle = append(c.idle, w)
			c.mu.Unlock()
			if _, ok := <-w.wake; !ok {
				return
			}
			c.mu.Lock()
			c.called = false
			continue
		}
		c.call(p)
		for t != nil {
			running = true
			t.Run(&w.slot)
			running = false
			t, _ = p.release()
		}
		c.mu.Lock()
	}
}

// end ends the crew's parked workers, and each worker that finds nothing to do from here on.
func (c *crew) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, w := range c.idle {
		close(w.wake)
	}
	c.idle = nil
}

func (c *crew) parked() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.idle)
}
