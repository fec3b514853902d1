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

// TestSlotsGoInOrder: tasks get their slots in the order in which they were handed over, also if another task keeps a slot.
func TestSlotsGoInOrder(t *testing.T) {
	p := newPool(2, 8)
	other, hold := make(chan struct{}), make(chan struct{})
	p.Go(run(func(Slot) { <-other }))
	p.Go(run(func(Slot) { <-hold }))
	var got []int // by one at a time, because the first has the other slot
	for i := range 500 {
		p.Go(run(func(Slot) { got = append(got, i) }))
	}
	last := make(chan struct{})
	p.Go(run(func(Slot) { close(last) }))
	close(hold)
	<-last
	if len(got) != 500 || !slices.IsSorted(got) {
		t.Errorf("got their slots in the order %v", got)
	}
	close(other)
	p.Close()
}

// TestASlotBeyondTheLimitGoesToNone: a task that was out of time has a slot beyond the limit. When it ends, the first of the
// line waits on.
func TestASlotBeyondTheLimitGoesToNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(2, 2)
		over, cancel := context.WithCancel(t.Context())
		goOn, end, hold := make(chan struct{}), make(chan struct{}), make(chan struct{})
		p.Go(run(func(s Slot) {
			s.Leave()
			<-goOn
			s.Enter(over)
			<-end
		}))
		synctest.Wait()
		for range 2 {
			p.Go(run(func(Slot) { <-hold }))
		}
		ran := 0
		p.Go(run(func(Slot) { ran++ }))
		synctest.Wait()
		close(goOn)
		synctest.Wait()
		if s := p.Stats(); s.Running != 2 || s.Waiting != 1 {
			t.Errorf("%+v while two have all slots, one waits to go on and one is in line", s)
		}
		cancel()
		synctest.Wait()
		if s := p.Stats(); s.Running != 3 || ran != 0 {
			t.Errorf("%+v, and %d of the line ran, when the one that waited was out of time", s, ran)
		}
		close(end)
		synctest.Wait()
		if s := p.Stats(); s.Running != 2 || ran != 0 {
			t.Errorf("%+v, and %d of the line ran, when it has ended", s, ran)
		}
		close(hold)
		p.Close()
		if s := p.Stats(); s != (Stats{}) || ran != 1 {
			t.Errorf("%+v after Close, and %d of the line ran", s, ran)
		}
	})
}

// TestALateTaskIsReached: tasks that are handed over again and again do not keep one from its turn.
func TestALateTaskIsReached(t *testing.T) {
	for _, limit := range []int{1, 2, 5, unlimited} {
		p := newPool(limit, min(limit, 4))
		var stop atomic.Bool
		for range 6 {
			var again run
			again = func(Slot) {
				if !stop.Load() {
					p.Go(again)
				}
			}
			p.Go(again)
		}
		for range 20 {
			late := make(chan struct{})
			p.Go(run(func(s Slot) {
				s.Leave()
				s.Enter(context.Background())
				close(late)
			}))
			<-late
		}
		stop.Store(true)
		p.Close()
	}
}

// schedule is a random run of a pool, with a model of its limit.
type schedule struct {
	p     *Pool
	limit int
	out   context.Context // is over

	mu          sync.Mutex
	r           *rand.Rand
	left        int // tasks that may still be made
	made, ended int
	hold, over  int // tasks that have a slot, and those that may have one beyond the limit
	worst       int // tasks at once beyond what the limit allows
}

func (s *schedule) pick(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.r.IntN(n)
}

func (s *schedule) count(hold, over int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hold += hold
	s.over += over
	s.worst = max(s.worst, s.hold-s.over-s.limit)
}

// hand hands a task over, and returns false if there were enough.
func (s *schedule) hand() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left == 0 {
		return false
	}
	s.left--
	s.made++
	if s.r.IntN(2) == 0 {
		s.p.GoFirst(s)
	} else {
		s.p.Go(s)
	}
	return true
}

// Run implements [Task].
func (s *schedule) Run(slot Slot) {
	s.count(1, 0)
	over := 0
	for range s.pick(4) {
		switch s.pick(5) {
		case 0:
			runtime.Gosched()
		case 1:
			s.hand()
		case 2, 3:
			ctx := context.Background()
			s.count(-1, -over)
			over = 0
			slot.Leave()
			for range s.pick(3) {
				runtime.Gosched()
			}
			if s.pick(2) == 0 {
				ctx, over = s.out, 1
				s.count(0, 1)
			}
			slot.Enter(ctx)
			s.count(1, 0)
		case 4:
			s.end(over)
			runtime.Goexit()
		}
	}
	s.end(over)
}

func (s *schedule) end(over int) {
	s.count(-1, -over)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended++
}

// TestRandomSchedules: whatever tasks do, the limit holds, each task runs once, and nothing is left.
func TestRandomSchedules(t *testing.T) {
	out, cancel := context.WithCancel(t.Context())
	cancel()
	for seed := range uint64(60) {
		limit := []int{1, 2, 3, 7, unlimited}[seed%5]
		s := &schedule{
			p: newPool(limit, min(limit, 1+int(seed%4))), limit: limit, out: out,
			r: rand.New(rand.NewPCG(seed, 0)), left: 300,
		}
		var senders sync.WaitGroup
		for range 6 {
			senders.Go(func() {
				for s.hand() {
					runtime.Gosched()
				}
			})
		}
		senders.Wait()
		s.p.Close()
		if s.worst > 0 || s.made != 300 || s.ended != 300 {
			t.Errorf("seed %d, limit %d: %d ran beyond the limit, and %d of %d in all", seed, limit, s.worst, s.ended, s.made)
		}
		if got, w := s.p.Stats(), s.p.slots.word.Load(); got != (Stats{}) || w != 0 || len(s.p.inside) != 0 {
			t.Errorf("seed %d, limit %d: %+v after Close, the word is %x, and %d workers are known", seed, limit, got, w, len(s.p.inside))
		}
	}
}
