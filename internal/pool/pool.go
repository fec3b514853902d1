// Package pool runs tasks on reused goroutines, a bounded number at a time.
//
// A parked worker costs about a third of a new goroutine, and a pool of a fixed
// size starves as soon as its tasks wait for each other. So a task is handed to
// a parked worker, to a new one where none is parked, and waits in line only at
// the limit; and a task that waits for another says so ([Slot.Leave]) and does
// not count while it does.
//
// Tasks start in the order in which they were handed over; nothing else is
// promised. Go never blocks. The tests are in pool_test.go.
package pool

import "sync"

// Slot is the place of a running task. Its methods are safe for concurrent use.
type Slot = interface {
	// Leave gives the slot away while the task waits for another; the task must
	// call Enter when it goes on.
	Leave()
	// Enter takes a slot back, before any task that has not started, and waits
	// for one if none is free.
	Enter()
}

// Task is one piece of work. Run may block.
type Task = interface{ Run(Slot) }

// maxIdle bounds the parked workers; a worker beyond it ends.
const maxIdle = 64

// Pool hands tasks to workers. Make one with [New].
type Pool struct {
	limit int // tasks that may run at once; below 0 is unlimited

	mu      sync.Mutex
	idle    []*worker       // parked, the last used last
	line    fifo[Task]      // waits for a slot
	back    []chan struct{} // tasks that wait to go on after Leave; before line
	running int             // slots held
	workers int             // goroutines alive
	closed  bool
	ended   *sync.Cond // workers reached 0, or running and line did
}

type worker struct {
	next chan Task // cap 1; closed to end the worker
	slot slot
}

type slot struct{ pool *Pool }

// New makes a pool that runs at most limit tasks at once; below zero is
// unlimited.
func New(limit int) *Pool {
	p := &Pool{limit: limit}
	p.ended = sync.NewCond(&p.mu)
	return p
}

// Go runs t, now or when a slot is free. It never blocks. Tasks handed over
// after Close run as well.
func (p *Pool) Go(t Task) {
	p.mu.Lock()
	if p.limit >= 0 && p.running >= p.limit {
		p.line.push(t)
		p.mu.Unlock()
		return
	}
	p.running++
	p.start(t)
}

// start hands t to a worker; it is called with mu held and a slot taken, and
// lets go of mu.
func (p *Pool) start(t Task) {
	if n := len(p.idle); n > 0 {
		w := p.idle[n-1]
		p.idle[n-1] = nil
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		w.next <- t
		return
	}
	p.workers++
	p.mu.Unlock()
	w := &worker{next: make(chan Task, 1)}
	w.slot.pool = p
	go p.work(w, t) // ends when it is idle and one too many, or at Close
}

func (p *Pool) work(w *worker, t Task) {
	normal := false
	defer func() {
		if normal {
			return
		}
		// The task ended the goroutine (runtime.Goexit) or panicked: its slot
		// goes to the next in line before the panic takes its course.
		p.mu.Lock()
		p.workers--
		p.free()
	}()
	for t != nil {
		t.Run(&w.slot)
		t = p.finish(w)
	}
	normal = true
}

// finish gives w its next task; nil ends it.
func (p *Pool) finish(w *worker) Task {
	p.mu.Lock()
	if len(p.back) == 0 {
		if t, ok := p.line.pop(); ok {
			p.mu.Unlock()
			return t // in the slot that has just become free
		}
	}
	if p.closed || len(p.idle) >= maxIdle {
		p.workers--
		p.free()
		return nil
	}
	p.idle = append(p.idle, w)
	p.free()
	return <-w.next
}

// free gives a slot back, first to a task that left one; it is called with mu
// held and lets go of it.
func (p *Pool) free() {
	p.running--
	if n := len(p.back); n > 0 && (p.limit < 0 || p.running < p.limit) {
		c := p.back[0]
		p.back = p.back[1:]
		p.running++
		p.mu.Unlock()
		close(c)
		return
	}
	if p.limit < 0 || p.running < p.limit {
		if t, ok := p.line.pop(); ok {
			p.running++
			p.start(t)
			return
		}
	}
	p.ended.Broadcast()
	p.mu.Unlock()
}

// Leave implements [Slot].
func (s *slot) Leave() {
	s.pool.mu.Lock()
	s.pool.free()
}

// Enter implements [Slot].
func (s *slot) Enter() {
	p := s.pool
	p.mu.Lock()
	if p.limit < 0 || p.running < p.limit {
		p.running++
		p.mu.Unlock()
		return
	}
	c := make(chan struct{})
	p.back = append(p.back, c)
	p.mu.Unlock()
	<-c
}

// Close ends the parked workers and waits until every task that was handed
// over has ended and every worker with it.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.workers -= len(p.idle)
	for _, w := range p.idle {
		close(w.next)
	}
	p.idle = nil
	for p.workers > 0 {
		p.ended.Wait()
	}
}

// Stats are a pool's numbers at one moment.
type Stats struct {
	Running, Waiting, Workers, Idle int
}

// Stats returns the pool's numbers.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return Stats{Running: p.running, Waiting: p.line.len(), Workers: p.workers, Idle: len(p.idle)}
}
