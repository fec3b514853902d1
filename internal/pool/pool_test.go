package pool

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// run is a func as a task.
type run func(Slot)

func (f run) Run(s Slot) { f(s) }

// high keeps the highest number of tasks that ran at once.
type high struct{ now, most atomic.Int32 }

func (h *high) enter() {
	n := h.now.Add(1)
	for old := h.most.Load(); n > old && !h.most.CompareAndSwap(old, n); old = h.most.Load() {
	}
}

func (h *high) leave() { h.now.Add(-1) }

func TestLimitIsStrict(t *testing.T) {
	for _, limit := range []int{1, 3, 100} {
		p := New(limit)
		var h high
		var ran atomic.Int32
		for i := range 2000 {
			p.Go(run(func(s Slot) {
				h.enter()
				runtime.Gosched()
				if i%3 == 0 { // a task that waits for another does not count
					h.leave()
					s.Leave()
					runtime.Gosched()
					s.Enter(context.Background())
					h.enter()
				}
				h.leave()
				if ran.Add(1); i%7 == 0 {
					runtime.Goexit()
				}
			}))
		}
		p.Close()
		if most := h.most.Load(); int(most) > limit || ran.Load() != 2000 {
			t.Errorf("limit %d: %d ran at once, %d of 2000 in all", limit, most, ran.Load())
		}
		if s := p.Stats(); s != (Stats{}) {
			t.Errorf("limit %d: %+v after Close", limit, s)
		}
	}
}

func TestTasksStartInOrder(t *testing.T) {
	p := New(1)
	hold := make(chan struct{})
	p.Go(run(func(Slot) { <-hold }))
	var got []int
	for i := range 500 {
		p.Go(run(func(Slot) { got = append(got, i) }))
	}
	close(hold)
	p.Close()
	if len(got) != 500 || !slices.IsSorted(got) {
		t.Errorf("started in the order %v", got)
	}
}

func TestUnlimited(t *testing.T) {
	p := New(-1)
	var all sync.WaitGroup
	all.Add(300)
	for range 300 {
		p.Go(run(func(Slot) {
			all.Done()
			all.Wait() // all run at once, or none ends
		}))
	}
	all.Wait()
	p.Close()
}

func TestIdleWorkersAreBoundedAndReused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(unlimited, 1)
		hold := make(chan struct{})
		for range 3 * maxIdle {
			p.Go(run(func(Slot) { <-hold }))
		}
		synctest.Wait()
		if s := p.Stats(); s.Running != 3*maxIdle || s.Workers != 3*maxIdle {
			t.Errorf("%+v while all run", s)
		}
		close(hold)
		synctest.Wait()
		want := Stats{Workers: maxIdle, Idle: maxIdle}
		if s := p.Stats(); s != want {
			t.Errorf("%+v when all have ended, want %+v", s, want)
		}
		for range 10 {
			p.Go(run(func(Slot) {}))
			synctest.Wait()
		}
		if s := p.Stats(); s != want {
			t.Errorf("%+v after more tasks, want %+v", s, want)
		}
		p.Close()
	})
}

func TestEnterComesBeforeTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(1)
		answer, hold := make(chan struct{}), make(chan struct{})
		var got []string
		p.Go(run(func(s Slot) {
			s.Leave()
			<-answer
			s.Enter(context.Background())
			got = append(got, "back")
		}))
		synctest.Wait()
		p.Go(run(func(Slot) {
			close(answer)
			<-hold
			got = append(got, "second")
		}))
		p.Go(run(func(Slot) { got = append(got, "third") }))
		synctest.Wait()
		if s := p.Stats(); s.Running != 1 || s.Waiting != 1 || s.Workers != 2 {
			t.Errorf("%+v while one runs, one waits to go on and one in line", s)
		}
		close(hold)
		p.Close()
		if want := []string{"second", "back", "third"}; !slices.Equal(got, want) {
			t.Errorf("ran %q, want %q", got, want)
		}
	})
}

func TestChainOfTasksThatWait(t *testing.T) {
	p := New(1)
	var ask func(depth int, done chan<- int)
	ask = func(depth int, done chan<- int) {
		p.Go(run(func(s Slot) {
			if depth == 0 {
				done <- 0
				return
			}
			inner := make(chan int, 1)
			s.Leave()
			ask(depth-1, inner)
			n := <-inner
			s.Enter(context.Background())
			done <- n + 1
		}))
	}
	for range 20 {
		done := make(chan int, 1)
		ask(50, done)
		if n := <-done; n != 50 {
			t.Errorf("a chain of %d, want 50", n)
		}
	}
	p.Close()
}

func TestGoexitGivesTheSlotBack(t *testing.T) {
	p := New(1)
	for range 10 {
		p.Go(run(func(Slot) { runtime.Goexit() }))
	}
	ran := make(chan struct{})
	p.Go(run(func(Slot) { close(ran) }))
	<-ran
	p.Close()
}

func TestCloseWaitsForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(1)
		hold := make(chan struct{})
		ran := 0
		p.Go(run(func(s Slot) { <-hold; s.Leave(); s.Enter(context.Background()); ran++ }))
		p.Go(run(func(Slot) { ran++ }))
		var closed atomic.Int32
		for range 2 {
			go func() { p.Close(); closed.Add(1) }()
		}
		synctest.Wait()
		if closed.Load() != 0 {
			t.Error("Close returned while tasks were running")
		}
		close(hold)
		synctest.Wait()
		if closed.Load() != 2 || ran != 2 {
			t.Errorf("%d of 2 closes returned, %d of 2 tasks ran", closed.Load(), ran)
		}
		late := make(chan struct{})
		p.Go(run(func(Slot) { close(late) })) // handed over after Close: runs, and leaves nothing behind
		<-late
		synctest.Wait()
		if s := p.Stats(); s != (Stats{}) {
			t.Errorf("%+v after Close", s)
		}
	})
}

func TestCloseRacesWithGo(t *testing.T) {
	for range 50 {
		p := New(4)
		var handed, ran atomic.Int32
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 50 {
					handed.Add(1)
					p.Go(run(func(Slot) { ran.Add(1) }))
				}
			})
		}
		all.Go(p.Close)
		all.Wait()
		p.Close()
		if handed.Load() != ran.Load() {
			t.Fatalf("%d of %d tasks ran", ran.Load(), handed.Load())
		}
	}
}

func TestFifo(t *testing.T) {
	var f fifo[int]
	next, want := 0, 0
	for round := range 200 {
		for range round % 37 {
			f.push(next)
			next++
		}
		for range round % 31 {
			if v, ok := f.pop(); ok != (want < next) || ok && v != want {
				t.Fatalf("popped %d, %v; want %d of %d", v, ok, want, next)
			} else if ok {
				want++
			}
		}
		if f.len() != next-want {
			t.Fatalf("length %d, want %d", f.len(), next-want)
		}
	}
	for f.len() > 0 {
		f.pop()
	}
	if len(f.ring) > keepRing {
		t.Errorf("an empty queue keeps %d places, want at most %d", len(f.ring), keepRing)
	}
}

// TestEnterEndsWithItsContext: who is out of time does not wait for a slot.
func TestEnterEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(1)
		hold := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		back := false
		p.Go(run(func(s Slot) {
			s.Leave()
			time.Sleep(time.Millisecond) // virtual: the second gets the slot
			s.Enter(ctx)
			back = true
		}))
		p.Go(run(func(Slot) { <-hold }))
		time.Sleep(time.Second) // virtual
		if back {
			t.Error("two had the only slot")
		}
		cancel()
		synctest.Wait()
		if !back {
			t.Error("waits on when its context has ended")
		}
		close(hold)
		p.Close()
		if s := p.Stats(); s != (Stats{}) {
			t.Errorf("%+v after Close", s)
		}
	})
}

// deep calls f with so many calls on its stack.
func deep(calls int, f func()) {
	if calls == 0 {
		f()
		return
	}
	deep(calls-1, f)
}

// TestInside: a task knows that it runs in its pool, and in no other; a goroutine of its
// own is not in it, but was started there.
func TestInside(t *testing.T) {
	p, other := New(2), New(2)
	told := make(chan [3]bool)
	p.Go(run(func(Slot) {
		own := make(chan bool)
		go func() { own <- p.Inside() }()
		told <- [3]bool{p.Inside(), other.Inside(), <-own}
	}))
	if got := <-told; got != [3]bool{true, false, false} {
		t.Errorf("in its pool, another's, a goroutine of its own: %v", got)
	}
	p.Go(run(func(Slot) {
		own := make(chan [2]bool)
		go deep(100, func() { own <- [2]bool{p.StartedInside(), other.StartedInside()} }) // a stack of many kilobytes
		of := <-own
		told <- [3]bool{p.StartedInside(), of[0], of[1]}
	}))
	if got := <-told; got != [3]bool{false, true, false} {
		t.Errorf("started by its pool: a worker, a goroutine of its own; by another's: %v", got)
	}
	if p.Inside() || p.StartedInside() {
		t.Error("a test is no worker, and none has started it")
	}
	p.Close()
	other.Close()
}
