package keeper

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/memstate"
)

// guest is a store of an application: before or after it does what a method is for, it does something else.
type guest struct {
	*memstate.Store
	mu     sync.Mutex
	in     string // Open, Read or Commit
	after  bool
	times  int
	does   func()
	called int
}

func (g *guest) turn(method string, after bool) {
	g.mu.Lock()
	now := method == g.in && after == g.after && g.times != 0
	if now {
		g.times--
		g.called++
	}
	g.mu.Unlock()
	if now {
		g.does()
	}
}

func (g *guest) Open(ctx context.Context, shard uint32, o state.Owner, held state.Token) (state.Token, error) {
	g.turn("Open", false)
	defer g.turn("Open", true)
	return g.Store.Open(ctx, shard, o, held)
}

func (g *guest) Read(ctx context.Context, t state.Token, r state.Range) ([]state.Entry, bool, error) {
	g.turn("Read", false)
	defer g.turn("Read", true)
	return g.Store.Read(ctx, t, r)
}

func (g *guest) Commit(c state.Change, done func(state.Rev, error)) {
	g.turn("Commit", false)
	g.Store.Commit(c, func(rev state.Rev, err error) {
		g.turn("Commit", true)
		done(rev, err)
	})
}

func newGuest(in string, after bool, times int, does func()) (*Keeper, *guest) {
	g := &guest{Store: memstate.New(), in: in, after: after, times: times, does: does}
	return New(Options{Store: g, Log: slog.New(slog.DiscardHandler)}), g
}

// TestStoreWhoseCodeDoesNotReturn: a store of an application that panics or ends the goroutine, three times in each of its
// methods, before or after it has done what was asked, costs a moment. Each change is stored and answered once.
func TestStoreWhoseCodeDoesNotReturn(t *testing.T) {
	for what, does := range map[string]func(){
		"panic":   func() { panic("boom") },
		"Goexit":  runtime.Goexit,
		"blocked": func() { <-time.After(time.Minute) }, // whatever becomes of the context
	} {
		for _, in := range []string{"Open", "Read", "Commit"} {
			for _, after := range []bool{false, true} {
				if what == "blocked" && in == "Commit" {
					continue // see below
				}
				t.Run(what+" in "+in+map[bool]string{true: ", after"}[after], func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						k, g := newGuest(in, after, 3, does)
						if in == "Read" { // a look: only what is in doubt is looked for
							commits := 0
							g.Store = memstate.New()
							k.opts.Store = &losing{g, &commits}
						}
						k.Open(7, state.Owner{})
						answers := make(chan error, 8)
						for _, key := range []string{"a", "b"} {
							go k.Commit(7, set(key, 1), func(_ state.Rev, err error) { answers <- err }) // ends at once, or is ended
						}
						for range 2 {
							if err := <-answers; err != nil {
								t.Error(err)
							}
						}
						for _, key := range []string{"a", "b"} {
							if n := read(t, k, 7, key); n != 1 {
								t.Errorf("change %d of %s is stored", n, key)
							}
						}
						if want := map[bool]int{true: 2, false: 3}[in == "Commit" && after]; g.called != want { // it is stored, and not sent again
							t.Errorf("it was called %d times, want %d", g.called, want)
						}
						closeShard(t, k, 7)
						if len(answers) > 0 {
							t.Errorf("a change was answered twice: %v", <-answers)
						}
						time.Sleep(time.Minute)
					})
				})
			}
		}
	}
}

// losing loses the answer to the first change.
type losing struct {
	*guest
	commits *int
}

func (l *losing) Commit(c state.Change, done func(state.Rev, error)) {
	if *l.commits++; *l.commits == 1 {
		done(0, errDown)
		return
	}
	l.guest.Commit(c, done)
}

// TestStoreThatBlocksInCommit, which it must never do, cannot keep a node from its end: it blocks the goroutine of the change's sender,
// or one that has asked for the fence.
func TestStoreThatBlocksInCommit(t *testing.T) {
	for what, opensFirst := range map[string]bool{"sender": true, "fence": false} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				over := make(chan struct{})
				k, _ := newGuest("Commit", false, 1, func() { <-over })
				open := func() {
					k.Open(7, state.Owner{})
					if err := k.Await(t.Context(), 7); err != nil {
						t.Error(err)
					}
					synctest.Wait() // the goroutine that has opened it is done
				}
				commit := func() { k.Commit(7, set("a", 1), func(state.Rev, error) {}) }
				if opensFirst {
					open()
				} else {
					k.Open(7, state.Owner{})
				}
				go commit() // ends at the test's end
				synctest.Wait()
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				began := time.Now()
				if err := k.End(ctx); err == nil || !strings.Contains(err.Error(), "1 changes of shard 7 wait") {
					t.Errorf("the end: %v", err)
				}
				if took := time.Since(began); took > time.Second+2*restTime {
					t.Errorf("the end took %v", took)
				}
				close(over)
			})
		})
	}
}

// TestStoreThatTakesNoChange although it moves its fences and answers reads is asked again less and less often. After some 10 s the
// change is given up, because it is surely not stored.
func TestStoreThatTakesNoChange(t *testing.T) {
	for what, does := range map[string]func(done func(state.Rev, error)){
		"an error": func(done func(state.Rev, error)) { done(0, errDown) },
		"deposed":  func(done func(state.Rev, error)) { done(0, state.ErrDeposed) },
		"panic":    func(func(state.Rev, error)) { panic("boom") },
		"late":     func(done func(state.Rev, error)) { go done(0, errDown) },
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &taking{Store: memstate.New(), does: does}
				k := New(Options{Store: s, Log: slog.New(slog.DiscardHandler)})
				k.Open(7, state.Owner{})
				answers := make(chan error, 3)
				k.Commit(7, set("a", 1), func(_ state.Rev, err error) { answers <- err })
				time.Sleep(5 * time.Second)
				if h := k.Health(); h.Waiting != 1 || h.Err == nil || errors.Is(h.Err, state.ErrDeposed) || !strings.Contains(h.Err.Error(), `kind "k", key "a"`) {
					t.Errorf("meanwhile: %+v", h)
				}
				began := time.Now()
				if err := <-answers; !errors.Is(err, state.ErrRejected) || !state.Refused(err) || time.Since(began) > 9*time.Second {
					t.Errorf("after another %v: %v", time.Since(began), err)
				}
				s.mu.Lock()
				if s.asked != soonTries+1 {
					t.Errorf("asked %d times", s.asked)
				}
				s.does = nil
				s.mu.Unlock()
				if err := commit(k, 7, set("a", 2)); err != nil || read(t, k, 7, "a") != 2 {
					t.Errorf("once it takes changes: %v", err)
				}
				left := 2 // of tries that fail once more: it is asked as soon as after the first failures of all
				s.mu.Lock()
				s.does = func(done func(state.Rev, error)) {
					s.mu.Lock()
					if left--; left == 0 {
						s.does = nil
					}
					s.mu.Unlock()
					does(done)
				}
				s.mu.Unlock()
				began = time.Now()
				if err := commit(k, 7, set("a", 3)); err != nil || read(t, k, 7, "a") != 3 || time.Since(began) > 2*firstPause {
					t.Errorf("when it has failed twice more: %v after %v", err, time.Since(began))
				}
				closeShard(t, k, 7)
			})
		})
	}
}

// taking takes changes if nothing else is to be done.
type taking struct {
	*memstate.Store
	mu    sync.Mutex
	does  func(done func(state.Rev, error))
	asked int
}

func (s *taking) Commit(c state.Change, done func(state.Rev, error)) {
	s.mu.Lock()
	s.asked++
	does := s.does
	if s.asked > 1000 { // in no time: the test would never end
		does = nil
	}
	s.mu.Unlock()
	if does == nil {
		s.Store.Commit(c, done)
		return
	}
	does(done)
}
