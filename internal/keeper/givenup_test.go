package keeper

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/memstate"
)

// picky fails with the changes of one key, and says nothing about whether they are stored.
type picky struct {
	*memstate.Store
	fails string
	stale bool // it stores them nevertheless
	tries int
}

func (s *picky) Commit(c state.Change, done func(state.Rev, error)) {
	if c.Key != s.fails {
		s.Store.Commit(c, done)
		return
	}
	s.tries++
	if s.stale {
		s.Store.Commit(c, func(state.Rev, error) {})
	}
	done(0, errDown)
}

// TestOneChangeIsNeverTaken: the callers of its key are told, and other keys of the shard go on. While the key goes on trying, it does
// not hold up the others again.
func TestOneChangeIsNeverTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := &picky{Store: memstate.New(), fails: "bad"}
		k := New(Options{Store: s, Log: slog.New(slog.NewTextHandler(&log, nil))})
		k.Open(7, state.Owner{})
		began, rejected := time.Now(), make(chan error, 1)
		k.Commit(7, set("bad", 1), func(_ state.Rev, err error) { rejected <- err })
		for n := uint64(1); time.Since(began) < 4*time.Second; n++ { // each waits for the next try of the other
			if err := commit(k, 7, set("good", n)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if err := <-rejected; !errors.Is(err, state.ErrRejected) || errors.Is(err, errDown) || !strings.Contains(err.Error(), errDown.Error()) {
			t.Errorf("the change ends with %v", err)
		}
		if took := time.Since(began); took < 6*time.Second || took > 14*time.Second {
			t.Errorf("it was given up after %v", took)
		}
		if said := log.String(); !strings.Contains(said, "level=ERROR") || !strings.Contains(said, "kind=k shard=7 key=bad") || !strings.Contains(said, errDown.Error()) {
			t.Errorf("the log says %s", said)
		}
		if h := k.Health(); h != (Health{}) {
			t.Errorf("afterwards: %+v", h)
		}
		for n := uint64(100); n < 110; n++ {
			began, before := time.Now(), s.tries
			k.Commit(7, set("bad", n), func(_ state.Rev, err error) { rejected <- err })
			if err := commit(k, 7, set("good", n)); err != nil {
				t.Error(err)
			}
			if err := <-rejected; !errors.Is(err, state.ErrRejected) || time.Since(began) > 0 || s.tries != before+1 {
				t.Errorf("a further change of the key: %v after %v and %d tries", err, time.Since(began), s.tries-before)
			}
		}
		s.fails = ""
		if err := commit(k, 7, set("bad", 200)); err != nil || read(t, k, 7, "bad") != 200 {
			t.Errorf("once the store takes it: %v", err)
		}
		s.fails = "bad"
		began = time.Now()
		if err := commit(k, 7, set("bad", 201)); !errors.Is(err, state.ErrRejected) || time.Since(began) < 6*time.Second {
			t.Errorf("the next that it never takes is given up after %v: %v", time.Since(began), err)
		}
		closeShard(t, k, 7)
	})
}

// TestChangeIsStoredThatNeverAnswersWell: a look finds it, so it is not given up.
func TestChangeIsStoredThatNeverAnswersWell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &picky{Store: memstate.New(), fails: "bad", stale: true}
		k := New(Options{Store: s, Log: slog.New(slog.DiscardHandler)})
		k.Open(7, state.Owner{})
		for n := uint64(1); n <= 3*soonTries; n++ {
			if err := commit(k, 7, set("bad", n)); err != nil || read(t, k, 7, "bad") != n {
				t.Fatalf("change %d: %v", n, err)
			}
		}
		closeShard(t, k, 7)
	})
}

// TestGivenUpIsForgotten: nothing of a change or a key is left behind.
func TestGivenUpIsForgotten(t *testing.T) {
	var g givenUp
	for n := range 3 * mostGivenUp {
		c := &core{given: g, status: open}
		o := &op{kind: "k", key: string(rune('a' + n)), done: func(state.Rev, error) {}}
		c.ops.add(o)
		c.given.failed(o, errDown)
		c.giveUp(o)
		if g = c.given; len(g.tries) != 0 || len(g.keys) > mostGivenUp || len(g.keys) == 0 {
			t.Fatalf("%d changes and %d keys are remembered", len(g.tries), len(g.keys))
		}
	}
}

// TestGivenUpIsNotDeposed: a change of the key was given up before. A further change meets another owner's fence, and ends with the error
// that the shard has another owner. The log does not say that the store never takes the key's changes.
func TestGivenUpIsNotDeposed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := &picky{Store: memstate.New(), fails: "bad"}
		lost := make(chan error, 1)
		k := New(Options{Store: s, Log: slog.New(slog.NewTextHandler(&log, nil)), Lost: func(_ uint32, _ state.Owner, err error) { lost <- err }})
		k.Open(7, state.Owner{})
		if err := commit(k, 7, set("bad", 1)); !errors.Is(err, state.ErrRejected) {
			t.Fatal(err)
		}
		log.Reset()
		s.fails = ""
		if _, err := s.Store.Open(t.Context(), 7, state.Owner{}, state.Token{}); err != nil { // another owner
			t.Fatal(err)
		}
		if err := commit(k, 7, set("bad", 2)); !errors.Is(err, state.ErrDeposed) {
			t.Errorf("the change ends with %v", err)
		}
		if err := <-lost; !errors.Is(err, state.ErrDeposed) {
			t.Errorf("the node is told %v", err)
		}
		if said := log.String(); strings.Contains(said, "given up") {
			t.Errorf("the log says %s", said)
		}
	})
}
