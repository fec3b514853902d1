package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/internal/watchtest"
	"github.com/clstr-go/clstr/state"
)

// shownStates is a store whose reads and hints the test makes.
type shownStates struct {
	state.Store

	mu      sync.Mutex
	entry   *state.Entry // what reads show
	err     error        // of reads
	refuses error        // of Watch
	reads   int
	watches int
	f       func(state.Entry) // nil: nobody watches
}

func (s *shownStates) Read(ctx context.Context, t state.Token, r state.Range) ([]state.Entry, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	if t != (state.Token{}) || r.Place != state.Records || r.Kind != "account" || r.Key != "a" {
		return nil, false, fmt.Errorf("read of %+v", r)
	}
	if s.err != nil || s.entry == nil {
		return nil, false, s.err
	}
	return []state.Entry{s.entry.Clone()}, false, ctx.Err()
}

func (s *shownStates) Watch(_ state.Range, f func(state.Entry)) (func(), error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuses != nil {
		return nil, s.refuses
	}
	s.f = f
	s.watches++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.f = nil
	}, nil
}

// shown is a state of a key.
func shown(rev state.Rev, balance int) *state.Entry {
	return &state.Entry{Kind: "account", Key: "a", Rev: rev, Time: time.Now(),
		Record: &state.Record{Number: uint64(rev), Version: 3, Type: "json", State: fmt.Appendf(nil, `{"Balance":%d}`, balance)}}
}

func (s *shownStates) show(e *state.Entry, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entry, s.err = e, err
}

func (s *shownStates) hint(e *state.Entry) {
	s.mu.Lock()
	f := s.f
	s.mu.Unlock()
	f(*e)
}

func (s *shownStates) counted() (reads, watches int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads, s.watches
}

// watched runs f in a bubble, with a loop that watches a store of the test's.
func watched(t *testing.T, s *shownStates, f func(*testing.T, *watchtest.Loop)) {
	synctest.Test(t, func(t *testing.T) {
		l := watchtest.Watch(t, watchtest.NewClient(t, s, 1).Kind("account").Key("a"))
		f(t, l)
		l.Stop()
		if s.f != nil {
			t.Error("the store's watch goes on after the loop")
		}
		reads, _ := s.counted()
		time.Sleep(time.Hour)
		if more, _ := s.counted(); more != reads {
			t.Error("reads go on after the loop")
		}
	})
}

// wantNothing says that nothing is told for a while.
func wantNothing(t *testing.T, l *watchtest.Loop, d time.Duration) {
	t.Helper()
	if told, ok := l.Within(d); ok {
		t.Errorf("told %+v, want nothing", told)
	}
}

// Hints that are lost are made good by a look each half minute.
func TestWatchWithoutHints(t *testing.T) {
	s := &shownStates{}
	watched(t, s, func(t *testing.T, l *watchtest.Loop) {
		l.WantNone(0)
		for rev := range state.Rev(5) {
			time.Sleep(5 * time.Second)
			s.show(shown(rev+1, 10), nil)
			begin := time.Now()
			l.Within(time.Minute)
			if took := time.Since(begin); took > 33*time.Second {
				t.Errorf("it took %v", took)
			}
		}
		if reads, _ := s.counted(); reads > 8 {
			t.Errorf("%d reads", reads)
		}
	})
}

// A hint that comes late or twice is not told, nor is what a replica shows that is behind.
func TestWatchNeverGoesBack(t *testing.T) {
	s := &shownStates{entry: shown(5, 50)}
	watched(t, s, func(t *testing.T, l *watchtest.Loop) {
		l.Want(5, 50)
		for _, rev := range []state.Rev{5, 4, 1} {
			s.hint(shown(rev, 0))
		}
		s.hint(shown(7, 70))
		s.hint(shown(6, 60))
		l.Want(7, 70)
		s.hint(&state.Entry{}) // may have missed some: it reads, and the replica is behind
		wantNothing(t, l, 10*time.Second)
		s.show(nil, nil)
		wantNothing(t, l, 10*time.Second)
		s.show(shown(7, 70), nil)
		wantNothing(t, l, time.Hour)
		s.show(shown(8, 80), nil)
		s.hint(&state.Entry{})
		l.Want(8, 80)
	})
}

// A store that may have missed something is read at once, and again when all servers know of it.
func TestWatchReadsAfterACut(t *testing.T) {
	s := &shownStates{entry: shown(1, 1)}
	watched(t, s, func(t *testing.T, l *watchtest.Loop) {
		l.Want(1, 1)
		time.Sleep(10 * time.Second)
		s.show(shown(2, 2), nil)
		begin := time.Now()
		s.hint(&state.Entry{})
		l.Want(2, 2)
		s.show(shown(3, 3), nil)
		l.Want(3, 3)
		if took := time.Since(begin); took > 2*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// A loop that is busy is told the newest afterwards, and nothing else.
func TestWatchConflates(t *testing.T) {
	s := &shownStates{}
	watched(t, s, func(t *testing.T, l *watchtest.Loop) {
		l.WantNone(0)
		s.show(shown(1000, 1000), nil)
		s.hint(shown(1, 1)) // the loop waits with it
		synctest.Wait()
		for rev := range state.Rev(999) {
			s.hint(shown(rev+2, int(rev)+2))
		}
		time.Sleep(time.Hour)
		l.Want(1, 1)
		l.Want(1000, 1000)
		wantNothing(t, l, time.Hour)
	})
}

// A store that does not answer is asked again, ever more rarely, and told of nothing.
func TestWatchThroughAnOutage(t *testing.T) {
	s := &shownStates{err: errors.New("no route"), refuses: errors.New("no route")}
	watched(t, s, func(t *testing.T, l *watchtest.Loop) {
		wantNothing(t, l, time.Hour)
		s.mu.Lock()
		s.refuses = nil
		s.mu.Unlock()
		wantNothing(t, l, time.Hour)
		if reads, _ := s.counted(); reads < 650 || reads > 1000 {
			t.Errorf("%d reads in an hour", reads)
		}
		s.show(shown(1, 1), nil)
		begin := time.Now()
		l.Want(1, 1)
		s.show(nil, errors.New("no route"))
		wantNothing(t, l, time.Hour)
		s.show(shown(2, 2), nil)
		l.Want(2, 2)
		if took := time.Since(begin) - time.Hour; took > 11*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// A store that was restored from an older copy is told as such; then the watch begins again. A
// replica that is behind for less than half a minute is none.
func TestWatchOfAStoreThatWasSetBack(t *testing.T) {
	s := &shownStates{entry: shown(100, 1000)}
	watched(t, s, func(t *testing.T, l *watchtest.Loop) {
		l.Want(100, 1000)
		s.show(shown(3, 30), nil)
		s.hint(&state.Entry{})
		wantNothing(t, l, 29*time.Second)
		wantSetBack(t, l, 5*time.Second)
		l.Want(3, 30)
		if _, watches := s.counted(); watches != 2 {
			t.Errorf("%d watches of the store: its revisions are others now", watches)
		}
		s.hint(shown(4, 40))
		l.Want(4, 40)
	})
}

// A state that the store has no more for half a minute is gone, though its TTL is not known to have
// passed: the store was emptied, or a later state has ended that the watch has not seen.
func TestWatchOfAStoreThatWasEmptied(t *testing.T) {
	s := &shownStates{entry: shown(100, 1000)}
	watched(t, s, func(t *testing.T, l *watchtest.Loop) {
		l.Want(100, 1000)
		s.show(nil, nil)
		s.hint(&state.Entry{})
		wantNothing(t, l, 29*time.Second)
		l.WantNone(100)
		wantNothing(t, l, time.Hour)
		s.show(shown(100, 1000), nil) // a replica was cut off for long
		if told, _ := l.Within(33 * time.Second); told.Rev != 100 || told.Deleted {
			t.Errorf("told %+v, want the state that is there after all", told)
		}
		s.show(shown(101, 1010), nil)
		s.hint(shown(101, 1010))
		l.Want(101, 1010)

		s.show(nil, nil)
		s.hint(&state.Entry{})
		time.Sleep(time.Minute)
		l.WantNone(101)
		wantNothing(t, l, 10*time.Second)
		s.show(shown(3, 30), nil)
		wantSetBack(t, l, 33*time.Second)
		l.Want(3, 30)
	})
}

func wantSetBack(t *testing.T, l *watchtest.Loop, within time.Duration) {
	t.Helper()
	if told, _ := l.Within(within); !errors.Is(told.Err, state.ErrSetBack) {
		t.Errorf("told %+v, want that the store was set back", told)
	}
}

// A state is told as deleted when its TTL has passed and the store has it no more, however far the
// store's clock is from the watch's.
func TestWatchSeesTheEndOfATTL(t *testing.T) {
	for _, apart := range []time.Duration{0, time.Hour, -time.Hour} {
		s := &shownStates{}
		watched(t, s, func(t *testing.T, l *watchtest.Loop) {
			e := shown(1, 1)
			e.TTL, e.Time = time.Minute, e.Time.Add(apart)
			l.WantNone(0)
			s.show(e, nil)
			s.hint(&state.Entry{})
			l.Want(1, 1)
			before, _ := s.counted()
			wantNothing(t, l, 55*time.Second)
			if reads, _ := s.counted(); reads > before+6 {
				t.Errorf("clocks %v apart: %d reads while the state is there", apart, reads-before)
			}
			time.Sleep(10 * time.Second)
			s.show(nil, nil) // a little late
			begin := time.Now()
			l.WantNone(1)
			if took := time.Since(begin); took > 2*time.Second {
				t.Errorf("clocks %v apart: it took %v", apart, took)
			}
			s.hint(shown(2, 2))
			l.Want(2, 2)
		})
	}
}
