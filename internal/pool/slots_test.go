package pool

import (
	"context"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// TestSlots: each step of slots does what a plain count of both would do, in random order.
func TestSlots(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, limit := range []int64{0, 1, 2, 5, unlimited} {
		s := slots{limit: limit}
		var holds, waits int64
		for range 10_000 {
			free := holds < limit
			switch r.IntN(5) {
			case 0:
				if s.take() != free {
					t.Fatalf("limit %d, %d hold a slot, %d wait: take returned %v", limit, holds, waits, !free)
				} else if free {
					holds++
				}
			case 1:
				if s.wait() == free {
					t.Fatalf("limit %d, %d hold a slot, %d wait: wait returned %v", limit, holds, waits, free)
				} else if free {
					holds++
				} else {
					waits++
				}
			case 2, 3:
				if holds == 0 {
					continue
				}
				given := waits == 0 || holds > limit
				if s.give() != given {
					t.Fatalf("limit %d, %d hold a slot, %d wait: give returned %v", limit, holds, waits, !given)
				} else if given {
					holds--
				} else {
					s.pass()
					waits--
				}
			case 4:
				if waits > 0 {
					s.takeOver()
					waits--
					holds++
				}
			}
			if got, want := s.word.Load(), holds+waits<<32; got != want || s.held() != int(holds) {
				t.Fatalf("the word is %x, want %x", got, want)
			}
			if waits > 0 && holds < limit {
				t.Fatalf("limit %d: %d wait while %d hold a slot", limit, waits, holds)
			}
		}
	}
}

// TestSlotsAtOnce: steps of many goroutines do not undo each other.
func TestSlotsAtOnce(t *testing.T) {
	s := slots{limit: 2}
	var mu sync.Mutex
	line := 0
	var hold, worst, ran atomic.Int64
	runs := func() {
		if n := hold.Add(1); n > s.limit {
			worst.Store(n)
		}
		ran.Add(1)
		hold.Add(-1)
	}
	comes := func() {
		if !s.take() {
			mu.Lock()
			waits := s.wait()
			if waits {
				line++
			}
			mu.Unlock()
			if waits {
				return
			}
		}
		for runs(); !s.give(); runs() {
			mu.Lock()
			if s.give() {
				mu.Unlock()
				return
			}
			s.pass()
			line--
			mu.Unlock()
		}
	}
	var all sync.WaitGroup
	const each = 50_000
	begin := make(chan struct{})
	for range 4 {
		all.Go(func() {
			<-begin
			for range each {
				comes()
			}
		})
	}
	close(begin)
	all.Wait()
	if w := s.word.Load(); ran.Load() != 4*each || worst.Load() != 0 || w != 0 || line != 0 {
		t.Errorf("%d of %d ran, %d at once; the word is %x, and %d are in line", ran.Load(), 4*each, worst.Load(), w, line)
	}
}

// TestAtTheSameMoment: between two steps of a task, another may have done what changes the second.
func TestAtTheSameMoment(t *testing.T) {
	empty := func(p *Pool, when string) {
		t.Helper()
		if w := p.slots.word.Load(); w != 0 || len(p.back) != 0 {
			t.Errorf("the word is %x and %d wait to go on, when %s", w, len(p.back), when)
		}
	}
	p := newPool(1, 1)
	p.slots.take()
	if next, _ := p.passOn(); next != nil {
		t.Errorf("a task is to be run: %v", next)
	}
	empty(p, "the last that waited was out of time")

	p.comeBack(t.Context()) // does not wait
	p.free()
	empty(p, "a slot has become free before a task waits for it")

	if p.stands(run(func(Slot) {}), false) || p.line.len() != 0 {
		t.Error("a task stands in line while a slot is free")
	}
	p.free()
	empty(p, "a slot has become free before a task stands in line")

	p.slots.take()
	ctx, cancel := context.WithCancel(t.Context())
	var back sync.WaitGroup
	back.Go(func() {
		p.comeBack(ctx)
		p.free()
	})
	for p.slots.word.Load() < oneWaits {
		runtime.Gosched()
	}
	p.mu.Lock() // the one that waits has put its channel in line, and comes no further than this lock
	cancel()
	p.slots.pass()
	close(p.back[0])
	p.back = nil
	p.mu.Unlock()
	back.Wait()
	empty(p, "one that was out of time had been given a slot")
}

// TestEnterInOrder: tasks that wait to go on do so in the order in which they began to wait.
func TestEnterInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(1, 1)
		var goOn [3]chan struct{}
		var got []int
		for i := range goOn {
			goOn[i] = make(chan struct{})
			p.Go(run(func(s Slot) {
				s.Leave()
				<-goOn[i]
				s.Enter(context.Background())
				got = append(got, i)
			}))
		}
		hold := make(chan struct{})
		p.Go(run(func(Slot) { <-hold }))
		for _, i := range []int{1, 2, 0} {
			synctest.Wait()
			close(goOn[i])
		}
		synctest.Wait()
		close(hold)
		p.Close()
		if !slices.Equal(got, []int{1, 2, 0}) {
			t.Errorf("went on in the order %v", got)
		}
	})
}
