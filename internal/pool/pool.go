// Workers that are reused, and a limit that tasks which wait do not count against

// Package pool runs tasks on reused goroutines, a bounded number at a time.
//
// A pool of a fixed size starves as soon as its tasks wait for each other, and a
// goroutine for each task costs more than most tasks. So a task takes a slot, or stands in line for
// one, and workers run the tasks that have slots. One worker at a time is woken
// or made. A worker that takes a task calls the next worker before it runs the task. So a
// task that blocks holds up no other, and a few workers run many short tasks without a
// switch between goroutines. A task that waits for another says so ([Slot.Leave]), and does
// not count against the limit meanwhile.
//
// Each processor has workers of its own, a crew, for the tasks that are handed over there. With one line for all, a processor
// would run what another has handed over: the task and its memory would move from one to the other and back.
//
// Tasks get their slots in the order in which they were handed over; nothing else is
// promised of their order. With one slot that is the order in which they start. Those that other tasks wait for come first
// ([Pool.GoFirst]). The tests are in pool_test.go and the other files of tests here.
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
	// Enter takes a slot back, before any task that has not had one yet, and waits for one if
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

// Pool hands tasks to workers. Make one with [New].
type Pool struct {
	crews crews

	_     [128]byte // each task writes to slots
	slots slots
	_     [128]byte

	mu      sync.Mutex          // after a crew's
	line    lines               // tasks that have no slot yet
	back    []chan struct{}     // tasks that wait to go on after Leave; before line
	workers int                 // goroutines alive
	inside  map[uint64]struct{} // their numbers; see Inside
	ended   *sync.Cond          // workers reached 0
}

type slot struct{ pool *Pool }

// New makes a pool that runs at most limit tasks at once; below zero is
// unlimited.
func New(limit int) *Pool {
	if limit < 0 || limit > unlimited {
		limit = unlimited
	}
	return newPool(limit, crewsFor(limit))
}

func newPool(limit, crews int) *Pool {
	p := &Pool{inside: map[uint64]struct{}{}}
	p.slots.limit = int64(limit)
	p.crews.all = make([]crew, crews)
	p.ended = sync.NewCond(&p.mu)
	return p
}

// Go runs t, now or when a slot is free. It never blocks. Tasks handed over
// after Close run as well.
func (p *Pool) Go(t Task) { p.hand(t, false) }

// GoFirst is Go for a task that a running task waits for, or is about to. It starts before those of Go, so what has begun is
// done before more begins: few tasks wait at once, and the memory that they use stays in the cache. Of nine tasks that
// start while tasks of Go wait, one is of Go, so tasks that ask each other for ever do not keep others out.
func (p *Pool) GoFirst(t Task) { p.hand(t, true) }

func (p *Pool) hand(t Task, first bool) {
	c := p.crews.mine()
	c.mu.Lock() // until t is in a line, because Close comes by here and must not miss it
	if !p.slots.take() && p.stands(t, first) {
		c.mu.Unlock()
		return
	}
	c.line.push(t, first)
	c.call(p)
}

// stands puts t in line. It returns false if t has a slot instead, because one has become free.
func (p *Pool) stands(t Task, first bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.slots.wait() {
		return false
	}
	p.line.push(t, first)
	return true
}

// release gives a slot back, to a task that has left one if any waits, or else to the first of the line. It returns
// that task, which the caller must run, and whether it was handed over with GoFirst.
func (p *Pool) release() (next Task, first bool) {
	if p.slots.give() {
		return nil, false
	}
	return p.passOn()
}

// passOn is release if a task seems to wait.
func (p *Pool) passOn() (next Task, first bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.slots.give() { // meanwhile no task waits any more, or the slot is beyond the limit
		return nil, false
	}
	p.slots.pass()
	if len(p.back) > 0 {
		close(p.back[0])
		p.back = p.back[1:]
		return nil, false
	}
	return p.line.pop()
}

// free is release for a goroutine that runs no further task.
func (p *Pool) free() {
	if t, first := p.release(); t != nil {
		c := p.crews.mine()
		c.mu.Lock()
		c.line.push(t, first)
		c.call(p)
	}
}

// Leave implements [Slot].
func (s *slot) Leave() { s.pool.free() }

// Enter implements [Slot].
func (s *slot) Enter(ctx context.Context) {
	if !s.pool.slots.take() {
		s.pool.comeBack(ctx)
	}
}

// comeBack is Enter if no slot seems to be free.
func (p *Pool) comeBack(ctx context.Context) {
	p.mu.Lock()
	if !p.slots.wait() { // meanwhile one is
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
		p.slots.takeOver()
	}
}

// gone counts a worker that ends.
func (p *Pool) gone(id uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.inside, id)
	if p.workers--; p.workers == 0 {
		p.ended.Broadcast()
	}
}

// Close ends the parked workers and waits until every task that was handed
// over has ended and every worker with it.
func (p *Pool) Close() {
	for i := range p.crews.all {
		p.crews.all[i].end()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.workers > 0 {
		p.ended.Wait()
	}
}

// Load returns how many tasks hold a slot, and how many wait for one: those that were never started, and those that go on after
// Leave. It takes no lock.
func (p *Pool) Load() (running, waiting int) { return p.slots.load() }

// Stats are a pool's numbers at one moment: tasks that hold a slot, tasks that stand in line for one, goroutines, and
// those of them that are parked.
type Stats struct {
	Running, Waiting, Workers, Idle int
}

// Stats returns the pool's numbers.
func (p *Pool) Stats() Stats {
	idle := 0
	for i := range p.crews.all {
		idle += p.crews.all[i].parked()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return Stats{Running: p.slots.held(), Waiting: p.line.len(), Workers: p.workers, Idle: idle}
}
