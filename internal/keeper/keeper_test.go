package keeper

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/memstate"
)

var errDown = errors.New("down")

// fickle is a store whose answers come late, by a goroutine of their own, and get lost.
type fickle struct {
	*memstate.Store
	down    atomic.Bool   // nothing is answered, and what is asked does not arrive
	lose    atomic.Int64  // so many answers to commits
	hold    chan struct{} // commits wait for it, if there is one
	commits atomic.Int64
	opens   atomic.Int64
}

func (f *fickle) Open(ctx context.Context, shard uint32, o state.Owner, held state.Token) (state.Token, error) {
	f.opens.Add(1)
	if f.down.Load() {
		return state.Token{}, errDown
	}
	return f.Store.Open(ctx, shard, o, held)
}

func (f *fickle) Read(ctx context.Context, t state.Token, r state.Range) ([]state.Entry, bool, error) {
	if f.down.Load() {
		return nil, false, errDown
	}
	return f.Store.Read(ctx, t, r)
}

func (f *fickle) Commit(c state.Change, done func(state.Rev, error)) {
	f.commits.Add(1)
	if f.down.Load() {
		go done(0, errDown)
		return
	}
	go func() {
		if f.hold != nil {
			<-f.hold
		}
		f.Store.Commit(c, func(rev state.Rev, err error) {
			if f.lose.Add(-1) >= 0 {
				rev, err = 0, errDown
			}
			done(rev, err)
		})
	}()
}

func set(key string, number uint64) state.Change {
	return state.Change{Kind: "k", Key: key, Record: &state.Record{Number: number, Type: "json", State: []byte(fmt.Sprint(number))}}
}

func commit(k *Keeper, shard uint32, c state.Change) error {
	done := make(chan error, 1)
	k.Commit(shard, c, func(_ state.Rev, err error) { done <- err })
	return <-done
}

func read(t *testing.T, k *Keeper, shard uint32, key string) uint64 {
	t.Helper()
	es, _, err := k.Read(t.Context(), shard, state.Range{Place: state.Records, Shard: shard, Kind: "k", Key: key})
	if err != nil {
		t.Fatalf("reading %s: %v", key, err)
	}
	if len(es) == 0 {
		return 0
	}
	return es[0].Record.Number
}

type lossOf struct {
	shard uint32
	err   error
}

func newKeeper(t *testing.T) (*Keeper, *fickle, chan lossOf) {
	f, lost := &fickle{Store: memstate.New()}, make(chan lossOf, 10)
	return New(Options{Store: f, Lost: func(shard uint32, _ state.Owner, err error) { lost <- lossOf{shard, err} }}), f, lost
}

func closeShard(t *testing.T, k *Keeper, shard uint32) {
	t.Helper()
	if err := k.Close(t.Context(), shard); err != nil {
		t.Error(err)
	}
}

// What is committed and read before the fence is held waits for it.
func TestWaitsForTheFence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, f, _ := newKeeper(t)
		if err := commit(k, 7, set("a", 1)); !errors.Is(err, ErrNotOpen) || !state.Refused(err) {
			t.Errorf("a shard that was not opened: %v", err)
		}
		f.down.Store(true)
		k.Open(7, state.Owner{})
		synctest.Wait()
		done := make(chan error, 1)
		k.Commit(7, set("a", 1), func(_ state.Rev, err error) { done <- err })
		if _, _, err := k.Read(t.Context(), 7, state.Range{Shard: 7, Kind: "k", Key: "a"}); !errors.Is(err, ErrNoStore) || !errors.Is(err, errDown) {
			t.Errorf("a read while the store is down: %v", err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := f.opens.Load(); n < 12 || n > 40 {
			t.Errorf("%d tries in a minute", n)
		}
		f.down.Store(false)
		if err := <-done; err != nil {
			t.Errorf("the change that has waited: %v", err)
		}
		if n := read(t, k, 7, "a"); n != 1 {
			t.Errorf("change %d is stored", n)
		}
		closeShard(t, k, 7)
	})
}

// A change whose answer is lost is found, or goes out again: its caller sees a delay.
func TestLostAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, f, lost := newKeeper(t)
		k.Open(7, state.Owner{})
		if err := commit(k, 7, set("a", 1)); err != nil {
			t.Fatal(err)
		}
		f.lose.Store(1)
		if err := commit(k, 7, set("a", 2)); err != nil {
			t.Errorf("the answer was lost: %v", err)
		}
		if n := f.commits.Load(); n != 2 {
			t.Errorf("%d commits, want 2: it was there", n)
		}
		f.down.Store(true)
		done := make(chan error, 2)
		k.Commit(7, set("a", 3), func(_ state.Rev, err error) { done <- err })
		synctest.Wait()
		k.Commit(7, set("b", 1), func(_ state.Rev, err error) { done <- err })
		synctest.Wait()
		if n := f.commits.Load(); n != 3 {
			t.Errorf("%d commits: nothing goes out while a change is in doubt", n)
		}
		f.down.Store(false)
		for range 2 {
			if err := <-done; err != nil {
				t.Errorf("a store that was down for a while: %v", err)
			}
		}
		if a, b := read(t, k, 7, "a"), read(t, k, 7, "b"); a != 3 || b != 1 {
			t.Errorf("stored: %d and %d", a, b)
		}
		if len(lost) != 0 {
			t.Error("the shard was lost")
		}
		closeShard(t, k, 7)
	})
}

// Numbers begin anew after the largest, which a record may have that something else has written. A
// change in doubt is told from that record.
func TestLostAnswersAfterTheLargestNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, f, _ := newKeeper(t)
		k.Open(7, state.Owner{})
		if err := commit(k, 7, set("a", math.MaxUint64)); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		f.down.Store(true)
		k.Commit(7, set("a", 1), func(_ state.Rev, err error) { done <- err })
		synctest.Wait()
		f.down.Store(false)
		if err := <-done; err != nil || read(t, k, 7, "a") != 1 {
			t.Errorf("%v, and number %d is stored", err, read(t, k, 7, "a"))
		}
		f.lose.Store(1)
		if err := commit(k, 7, set("a", 2)); err != nil || f.commits.Load() != 4 {
			t.Errorf("%v after %d commits, want 4", err, f.commits.Load())
		}
		closeShard(t, k, 7)
	})
}

// A change of events alone is found by its number.
func TestLostAnswersOfEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, f, _ := newKeeper(t)
		k.Open(7, state.Owner{})
		for n := range uint64(600) { // more than one page
			if n%200 == 50 {
				f.lose.Store(1)
			}
			if err := commit(k, 7, state.Change{Kind: "k", Key: "a", Events: []state.Event{{Number: n + 1}}}); err != nil {
				t.Fatal(err)
			}
		}
		es, _, err := k.Read(t.Context(), 7, state.Range{Place: state.Events, Shard: 7, Most: 1000})
		if err != nil || len(es) != 600 {
			t.Errorf("%d events, %v", len(es), err)
		}
		closeShard(t, k, 7)
	})
}

// Another owner ends the shard: what waits is refused, what was under way is decided by the
// store, and what is in doubt is said to be.
func TestDeposed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, f, lost := newKeeper(t)
		k.Open(7, state.Owner{})
		if err := commit(k, 7, set("a", 1)); err != nil {
			t.Fatal(err)
		}
		f.hold = make(chan struct{})
		answers := make(chan error, 3)
		k.Commit(7, set("a", 2), func(_ state.Rev, err error) { answers <- err })
		synctest.Wait()
		if _, err := f.Store.Open(t.Context(), 7, state.Owner{}, state.Token{}); err != nil {
			t.Fatal(err)
		}
		close(f.hold)
		if err := <-answers; !errors.Is(err, state.ErrDeposed) || !state.Refused(err) {
			t.Errorf("under way when the other came: %v", err)
		}
		if l := <-lost; l.shard != 7 || !errors.Is(l.err, state.ErrDeposed) {
			t.Errorf("told %+v", l)
		}
		if err := commit(k, 7, set("a", 2)); !errors.Is(err, state.ErrDeposed) {
			t.Errorf("afterwards: %v", err)
		}
		if _, _, err := k.Read(t.Context(), 7, state.Range{Shard: 7, Kind: "k", Key: "a"}); !errors.Is(err, state.ErrDeposed) {
			t.Errorf("a read afterwards: %v", err)
		}
		// Opened anew it serves again.
		k.Open(7, state.Owner{})
		if n := read(t, k, 7, "a"); n != 1 {
			t.Errorf("change %d is stored, want 1", n)
		}
		// In doubt, and nobody can tell any more.
		f.down.Store(true)
		k.Commit(7, set("a", 2), func(_ state.Rev, err error) { answers <- err })
		synctest.Wait()
		k.Commit(7, set("b", 1), func(_ state.Rev, err error) { answers <- err })
		k.Drop(7)
		if err := <-answers; !errors.Is(err, ErrInDoubt) || state.Refused(err) {
			t.Errorf("in doubt: %v", err)
		}
		if err := <-answers; !errors.Is(err, state.ErrDeposed) {
			t.Errorf("never sent: %v", err)
		}
	})
}

// A read finds out about another owner as well, and outlives a move of the own fence.
func TestReadsFindTheOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, f, lost := newKeeper(t)
		k.Open(7, state.Owner{})
		f.lose.Store(1)
		if err := commit(k, 7, set("a", 1)); err != nil { // the fence has moved once
			t.Fatal(err)
		}
		if n := read(t, k, 7, "a"); n != 1 {
			t.Errorf("read %d", n)
		}
		if _, err := f.Store.Open(t.Context(), 7, state.Owner{}, state.Token{}); err != nil {
			t.Fatal(err)
		}
		if _, _, err := k.Read(t.Context(), 7, state.Range{Shard: 7, Kind: "k", Key: "a"}); !errors.Is(err, state.ErrDeposed) {
			t.Errorf("after another has opened the shard: %v", err)
		}
		<-lost
	})
}
