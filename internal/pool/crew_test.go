package pool

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// hand hands tasks to one crew, at one moment.
func hand(p *Pool, crew int, tasks ...Task) {
	c := &p.crews.all[crew]
	c.mu.Lock()
	for _, t := range tasks {
		if !p.slots.take() {
			panic("no slot is free")
		}
		c.line.push(t, false)
	}
	c.call(p)
}

// TestATaskThatBlocksHoldsUpNone: neither those of its crew, nor those of others.
func TestATaskThatBlocksHoldsUpNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(100, 4)
		hold := make(chan struct{})
		blocks := run(func(Slot) { <-hold })
		var ran atomic.Int32
		runs := run(func(Slot) { ran.Add(1) })
		for crew := range 4 {
			hand(p, crew, blocks, blocks, runs, blocks, runs)
		}
		synctest.Wait()
		if s := p.Stats(); ran.Load() != 8 || s.Running != 12 || s.Workers-s.Idle != 12 {
			t.Errorf("%d of 8 tasks ran beside those that block: %+v", ran.Load(), s)
		}
		close(hold)
		p.Close()
		if s := p.Stats(); s != (Stats{}) {
			t.Errorf("%+v after Close", s)
		}
	})
}

// TestWorkersAreUsedAgain: those of each crew, and Close ends the parked ones of all of them. Otherwise the bubble does not end.
func TestWorkersAreUsedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(100, 2)
		ran := 0 // by one at a time
		for i := range 40 {
			hand(p, i%2, run(func(Slot) { ran++ }))
			synctest.Wait()
		}
		if s := p.Stats(); s != (Stats{Workers: 2, Idle: 2}) || ran != 40 {
			t.Errorf("%+v after %d of 40 tasks one by one, want one parked worker in each crew", s, ran)
		}
		p.Close()
		if s := p.Stats(); s != (Stats{}) {
			t.Errorf("%+v after Close", s)
		}
	})
}

// TestTheLastParkedRunsNext: its stack is still in the cache.
func TestTheLastParkedRunsNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(100, 1)
		hold := make(chan struct{})
		for range 5 {
			p.Go(run(func(Slot) { <-hold }))
		}
		synctest.Wait()
		close(hold)
		synctest.Wait()
		ran := map[uint64]bool{}
		for range 10 {
			p.Go(run(func(Slot) { ran[goroutine()] = true }))
			synctest.Wait()
		}
		if len(ran) != 1 {
			t.Errorf("%d workers ran tasks one by one, want the same one each time", len(ran))
		}
		p.Close()
	})
}

// TestGoexitInACrew: the slot goes to the first of the line, and the rest of the crew's tasks run.
func TestGoexitInACrew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(4, 2)
		var ran atomic.Int32
		ends := run(func(Slot) { ran.Add(1); runtime.Goexit() })
		hand(p, 0, ends, ends)
		hand(p, 1, ends, ends)
		for range 20 {
			p.Go(ends)
		}
		synctest.Wait()
		if s := p.Stats(); ran.Load() != 24 || s != (Stats{}) {
			t.Errorf("%d of 24 tasks ran: %+v", ran.Load(), s)
		}
		p.Close()
	})
}

// TestProcessorsChange: a pool works on when the process gets more or fewer processors, and when a garbage collection
// makes it forget which crew is whose.
func TestProcessorsChange(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	for _, processors := range []int{1, 4} {
		runtime.GOMAXPROCS(processors)
		p := New(3)
		if want := min(3, processors); len(p.crews.all) != want {
			t.Errorf("%d crews for 3 slots and %d processors, want %d", len(p.crews.all), processors, want)
		}
		for _, now := range []int{4, 1, 2} {
			runtime.GOMAXPROCS(now)
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					for i := range 100 {
						done := make(chan struct{})
						p.Go(run(func(Slot) { close(done) }))
						<-done
						if i == 50 {
							runtime.GC()
							runtime.GC() // the second drops what nobody used between them
						}
					}
				})
			}
			all.Wait()
		}
		p.Close()
		if s := p.Stats(); s != (Stats{}) {
			t.Errorf("%+v after Close", s)
		}
	}
}

func TestCrewsFor(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	for _, c := range []struct{ processors, slots, want int }{
		{1, 100, 1}, {2, 100, 4}, {2, 3, 3}, {2, 1, 1}, {2, 0, 1}, {8, unlimited, 16}, {100, unlimited, maxCrews},
	} {
		runtime.GOMAXPROCS(c.processors)
		if got := crewsFor(c.slots); got != c.want {
			t.Errorf("%d crews for %d slots and %d processors, want %d", got, c.slots, c.processors, c.want)
		}
	}
}

// TestMine: a processor keeps its crew, mostly, and one that has none gets the next.
func TestMine(t *testing.T) {
	p := newPool(100, 3)
	same, last := 0, p.crews.mine()
	for range 1000 {
		now := p.crews.mine()
		if now == last {
			same++
		}
		last = now
	}
	if same < 250 { // the race detector makes sync.Pool forget each fourth
		t.Errorf("%d of 1000 times the crew was that of before", same)
	}
	seen := map[*crew]bool{}
	for range 3 {
		p.crews.near = sync.Pool{}
		seen[p.crews.mine()] = true
	}
	if len(seen) != 3 {
		t.Errorf("three that had no crew got %d", len(seen))
	}
}

// TestCloseWaitsForTheNextInLine: a task that is just being handed over has no slot until it is in a line. Otherwise one behind
// it would stand in line while no worker is there, and Close would not wait for it.
func TestCloseWaitsForTheNextInLine(t *testing.T) {
	p := newPool(1, 2)
	begun, goOn := make(chan struct{}), make(chan struct{})
	var asked atomic.Int32
	p.crews.near.New = func() any {
		if asked.Add(1) == 1 {
			close(begun)
			<-goOn
		}
		return &p.crews.all[0]
	}
	var all sync.WaitGroup
	all.Go(func() { p.Go(run(func(Slot) {})) })
	<-begun
	var ran atomic.Bool
	p.Go(run(func(Slot) { ran.Store(true) }))
	p.Close()
	if !ran.Load() {
		t.Error("Close returned before a task had run")
	}
	close(goOn)
	all.Wait()
	p.Close()
}
