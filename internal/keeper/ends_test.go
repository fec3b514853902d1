package keeper

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/memstate"
)

// Close waits for what is under way, to the end of its context.
func TestCloseWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, f, _ := newKeeper(t)
		f.hold = make(chan struct{})
		k.Open(7, state.Owner{})
		k.Open(8, state.Owner{})
		answers := make(chan error, 2)
		for _, shard := range []uint32{7, 8} {
			k.Commit(shard, set("a", 1), func(_ state.Rev, err error) { answers <- err })
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := k.Close(ctx, 7); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close of a shard with a change under way: %v", err)
		}
		closed := make(chan error)
		go func() { closed <- k.Close(t.Context(), 8) }()
		synctest.Wait()
		close(f.hold)
		if err := <-closed; err != nil {
			t.Error(err)
		}
		for range 2 {
			if err := <-answers; err != nil {
				t.Errorf("what was under way and is stored: %v", err)
			}
		}
	})
}

// A store that answers before Commit returns, and a key that always has a next change, end
// neither a stack nor the patience of the first caller.
func TestCommitsFromDone(t *testing.T) {
	s := memstate.New()
	k := New(Options{Store: s})
	k.Open(7, state.Owner{})
	if _, _, err := k.Read(t.Context(), 7, state.Range{Shard: 7, Kind: "k", Key: "a"}); err != nil {
		t.Fatal(err)
	}
	const rounds = 100_000
	end := make(chan struct{})
	var next func(n uint64)
	next = func(n uint64) {
		k.Commit(7, set("a", n), func(_ state.Rev, err error) {
			switch {
			case err != nil:
				t.Error(err)
				close(end)
			case n == rounds:
				close(end)
			default:
				next(n + 1)
			}
		})
	}
	next(1)
	<-end
	if n := read(t, k, 7, "a"); n != rounds {
		t.Errorf("change %d is stored", n)
	}
	closeShard(t, k, 7)
}

// Many callers of many shards, while answers are lost and the store is down now and then: each
// change is stored once.
func TestManyCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, f, lost := newKeeper(t)
		const shards, keys, rounds = 4, 8, 30
		for shard := range uint32(shards) {
			k.Open(shard, state.Owner{Cluster: "c", Epoch: 1})
		}
		var wg sync.WaitGroup
		for i := range shards * keys {
			shard, key := uint32(i%shards), fmt.Sprint("k", i)
			wg.Go(func() {
				for n := range uint64(rounds) {
					switch (n + uint64(i)) % 10 {
					case 3:
						f.lose.Store(2)
					case 6:
						f.down.Store(true)
						time.AfterFunc(time.Second, func() { f.down.Store(false) })
					}
					if err := commit(k, shard, set(key, n+1)); err != nil {
						t.Errorf("change %d of %s: %v", n+1, key, err)
					}
				}
			})
		}
		wg.Wait()
		time.Sleep(2 * time.Second)
		for i := range shards * keys {
			if n := read(t, k, uint32(i%shards), fmt.Sprint("k", i)); n != rounds {
				t.Errorf("k%d: change %d is stored, want %d", i, n, rounds)
			}
		}
		for shard := range uint32(shards) {
			closeShard(t, k, shard)
		}
		if len(lost) > 0 {
			t.Error("a shard was lost")
		}
	})
}

// TestHealth: a shard that waits for the store is told with the reason, until it is open, and so
// are changes; End waits for all.
func TestHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, f, _ := newKeeper(t)
		f.hold = make(chan struct{})
		f.down.Store(true)
		for shard := range uint32(3) {
			k.Open(shard, state.Owner{})
		}
		if err := k.Await(t.Context(), 1); !errors.Is(err, ErrNoStore) || !errors.Is(err, errDown) {
			t.Errorf("a shard whose store is down: %v", err)
		}
		if err := k.Await(t.Context(), 9); !errors.Is(err, ErrNotOpen) {
			t.Errorf("a shard that was not opened: %v", err)
		}
		ended := make(chan error, 1)
		k.Commit(1, set("a", 1), func(_ state.Rev, err error) { ended <- err })
		if h := k.Health(); h.Waiting != 3 || h.Changes != 1 || !errors.Is(h.Err, errDown) {
			t.Errorf("while the store is down: %+v", h)
		}
		f.down.Store(false)
		time.Sleep(time.Second)
		if err := k.Await(t.Context(), 1); err != nil {
			t.Error(err)
		}
		if h := k.Health(); h != (Health{Changes: 1}) {
			t.Errorf("with a change under way: %+v", h)
		}
		time.AfterFunc(time.Second, func() { close(f.hold) })
		if err := k.End(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-ended; err != nil {
			t.Errorf("what was under way as all ended: %v", err)
		}
		if h := k.Health(); h != (Health{}) {
			t.Errorf("at the end: %+v", h)
		}
	})
}

// TestEndWaitsForTheDropped: nothing that a shard has asked of the store goes on after the end, also
// where the shard was dropped before.
func TestEndWaitsForTheDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opens := &lingering{Store: memstate.New()}
		k := New(Options{Store: opens})
		k.Open(7, state.Owner{})
		k.Open(7, state.Owner{})
		k.Drop(7)
		synctest.Wait()
		if err := k.End(t.Context()); err != nil || opens.under.Load() != 0 {
			t.Errorf("after the end, with %v, %d openings are under way", err, opens.under.Load())
		}
	})
}

// lingering is a store that takes a while to notice that nobody waits any more.
type lingering struct {
	*memstate.Store
	under atomic.Int64
}

func (l *lingering) Open(ctx context.Context, _ uint32, _ state.Owner, _ state.Token) (state.Token, error) {
	l.under.Add(1)
	defer l.under.Add(-1)
	<-ctx.Done()
	time.Sleep(time.Second)
	return state.Token{}, ctx.Err()
}
