// Workers that are reused, and a limit that tasks which wait do not count against

// Package pool runs tasks on reused goroutines, a bounded number at a time.
//
// A pool of a fixed size starves as soon as its tasks wait for each other, and a
// goroutine for each task costs more than most tasks. So tasks stand in line, and
// workers take them. While tasks wait and the limit allows, one worker at a time is woken
// or made. A worker that takes a task calls the next worker before it runs the task. So a
// task that blocks holds up no other, and a few workers run many short tasks without a
// switch between goroutines. A task that waits for another says so ([Slot.Leave]), and does
// not count against the limit meanwhile.
//
// Tasks start in the order in which they were handed over, but those that other tasks wait for come first
// ([Pool.GoFirst]). Nothing else is promised of their order. The tests are in pool_test.go.
package pool

import (
	"context"
	"slices"
	"sync"
)

// Slot is the place of a running task. Its methods are safe for concurrent use.
type Slot = interface {
	// Leave gives the slot away while the task waits for another; the task must
	// call Enter when it goes on.
	Leave()
	// Enter takes a slot back, before any task that has not started, and waits for one if
	// none is free. When ctx ends it takes a slot over the limit, because a task that is
	// out of time must not wait any longer.
	Enter(ctx context.Context)
}

// Task is one piece of work. Run may block.
type Task = interface{ Run(Slot) }

// Func is a task that needs no slot.
type Func func()

// Run implements [Task].
func (f Func) Run(Slot) { f() }

// mostFirst is how many tasks of [Pool.GoFirst] start in a row while others wait.
const mostFirst = 8

// maxIdle bounds the parked workers; a worker beyond it ends.
const maxIdle = 64

// Pool hands tasks to workers. Make one with [New].
type Pool struct {
	limit int // tasks that may run at once; below 0 is unlimited

	mu      sync.Mutex
	idle    []*worker           // parked, the last used last
	line    fifo[Task]          // has not started
	first   fifo[Task]          // the same; before line, but see mostFirst
	inARow  int                 // how many of first have started since one of line has
	back    []chan struct{}     // tasks that wait to go on after Leave; before line
	running int                 // slots held
	workers int                 // goroutines alive
	inside  map[uint64]struct{} // their numbers; see Inside
	called  bool                // a worker is on its way to the line
	closed  bool
	ended   *sync.Cond // workers reached 0
}

type worker struct {
	wake chan struct{} // cap 1; closed to end the worker
	slot slot
}

type slot struct{ pool *Pool }

// New makes a pool that runs at most limit tasks at once; below zero is
// unlimited.
func New(limit int) *Pool {
	p := &Pool{limit: limit, inside: map[uint64]struct{}{}}
	p.ended = sync.NewCond(&p.mu)
	return p
}

// Go runs t, now or when a slot is free. It never blocks. Tasks handed over
// after Close run as well.
func (p *Pool) Go(t Task) {
	p.mu.Lock()
	p.line.push(t)
	p.call()
}

// GoFirst is Go for a task that a running task waits for, or is about to. It starts before those of Go, so what has begun is
// done before more begins: few tasks wait at once, and the memory that they use stays in the cache. Of nine tasks that
// start while tasks of Go wait, one is of Go, so tasks that ask each other for ever do not keep others out.
func (p *Pool) GoFirst(t Task) {
	p.mu.Lock()
	p.first.push(t)
	p.call()
}

// next takes the task that starts next. It is called with mu held.
func (p *Pool) next() (t Task, ok bool) {
	if p.inARow < mostFirst || p.line.len() == 0 {
		if t, ok = p.first.pop(); ok {
			p.inARow++
			return t, true
		}
	}
	p.inARow = 0
	return p.line.pop()
}

// waiting returns how many tasks have not started. It is called with mu held.
func (p *Pool) waiting() int { return p.line.len() + p.first.len() }

// free reports whether a slot is. It is called with mu held.
func (p *Pool) free() bool { return p.limit < 0 || p.running < p.limit }

// call gets a worker for the line, if tasks wait and a slot is free. It is called after
// each change of line, slots or called, with mu held, and lets go of mu.
func (p *Pool) call() {
	if p.called || p.waiting() == 0 || !p.free() {
		p.mu.Unlock()
		return
	}
	p.called = true
	if n := len(p.idle); n > 0 {
		w := p.idle[n-1]
		p.idle[n-1] = nil
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		w.wake <- struct{}{}
		return
	}
	p.workers++
	p.mu.Unlock()
	w := &worker{wake: make(chan struct{}, 1)}
	w.slot.pool = p
	go p.work(w) // ends when it is idle and one too many, or at Close
}

func (p *Pool) work(w *worker) {
	running := false
	id := goroutine()
	defer func() {
		if !running {
			return
		}
		// The task ended the goroutine (runtime.Goexit) or panicked: its slot
		// goes on before the panic takes its course.
		p.mu.Lock()
		p.gone(id)
		p.release()
	}()
	p.mu.Lock()
	p.inside[id] = struct{}{}
	p.called = false
	for {
		if len(p.back) == 0 && p.free() {
			if t, ok := p.next(); ok {
				p.running++
				p.call()
				running = true
				t.Run(&w.slot)
				running = false
				p.mu.Lock()
				p.running--
				p.resume()
				continue
			}
		}
		if p.closed || len(p.idle) >= maxIdle {
			p.gone(id)
			p.mu.Unlock()
			return
		}
		p.idle = append(p.idle, w)
		p.mu.Unlock()
		if _, ok := <-w.wake; !ok {
			return
		}
		p.mu.Lock()
		p.called = false
	}
}

// gone counts a worker that ends. It is called with mu held.
func (p *Pool) gone(id uint64) {
	delete(p.inside, id)
	if p.workers--; p.workers == 0 {
		p.ended.Broadcast()
	}
}

// resume gives a free slot to a task that left one. It is called with mu held.
func (p *Pool) resume() {
	if len(p.back) > 0 && p.free() {
		close(p.back[0])
		p.back = p.back[1:]
		p.running++
	}
}

// release gives a slot back. It is called with mu held and lets go of it.
func (p *Pool) release() {
	p.running--
	p.resume()
	p.call()
}

// Leave implements [Slot].
func (s *slot) Leave() {
	s.pool.mu.Lock()
	s.pool.release()
}

// Enter implements [Slot].
func (s *slot) Enter(ctx context.Context) {
	p := s.pool
	p.mu.Lock()
	if p.free() {
		p.running++
		p.mu.Unlock()
		return
	}
	c := make(chan struct{})
	p.back = append(p.back, c)
	p.mu.Unlock()
	select {
	case <-c:
		return
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.back, c); i >= 0 { // otherwise it was given one at the same moment
		p.back = slices.Delete(p.back, i, i+1)
		p.running++
	}
}

// Close ends the parked workers and waits until every task that was handed
// over has ended and every worker with it.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.workers -= len(p.idle)
	for _, w := range p.idle {
		close(w.wake)
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
	return Stats{Running: p.running, Waiting: p.waiting(), Workers: p.workers, Idle: len(p.idle)}
}
