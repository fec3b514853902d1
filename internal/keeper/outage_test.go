package keeper

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/memstate"
)

// TestReadsWaitForTheStore for a while, and fail at once if it goes on failing. Each outage has its own while.
func TestReadsWaitForTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, f, _ := newKeeper(t)
		took := func(ctx context.Context) (time.Duration, error) {
			began := time.Now()
			_, _, err := k.Read(ctx, 7, state.Range{Shard: 7, Kind: "k", Key: "a"})
			return time.Since(began), err
		}
		k.Open(7, state.Owner{})
		for range 3 { // one leader after the other
			f.down.Store(true)
			time.AfterFunc(8*time.Second, func() { f.down.Store(false) })
			if d, err := took(t.Context()); err != nil || d < 8*time.Second || d > 8*time.Second+soonPause+lastLook {
				t.Errorf("a store that is away for 8 s: %v after %v", err, d)
			}
		}
		for i := range 2 {
			f.down.Store(true)
			if d, err := took(t.Context()); !errors.Is(err, ErrNoStore) || !errors.Is(err, errDown) || d < patience || d > patience+lastLook {
				t.Errorf("outage %d: %v after %v", i, err, d)
			}
			for range 5 {
				if d, err := took(t.Context()); !errors.Is(err, ErrNoStore) || d != 0 {
					t.Errorf("outage %d goes on: %v after %v", i, err, d)
				}
				time.Sleep(time.Second)
			}
			time.Sleep(time.Minute) // nothing reads, so it may have come and gone
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if d, err := took(ctx); !errors.Is(err, ErrNoStore) || d != time.Second {
				t.Errorf("a read that has a second: %v after %v", err, d)
			}
			cancel()
			f.down.Store(false)
			if d, err := took(t.Context()); err != nil || d != 0 {
				t.Errorf("the store is back: %v after %v", err, d)
			}
		}
		closeShard(t, k, 7)
	})
}

// partly is a store that fails for one shard: for its fence, or for its reads.
type partly struct {
	*memstate.Store
	shard uint32
	reads bool
}

func (p partly) Open(ctx context.Context, shard uint32, o state.Owner, prev state.Token) (state.Token, error) {
	if shard == p.shard && !p.reads {
		return state.Token{}, errDown
	}
	return p.Store.Open(ctx, shard, o, prev)
}

func (p partly) Read(ctx context.Context, t state.Token, r state.Range) ([]state.Entry, bool, error) {
	if r.Shard == p.shard {
		return nil, false, errDown
	}
	return p.Store.Read(ctx, t, r)
}

// TestOneShardsStoreFails while reads of another shard succeed: the reads of that shard do not wait for ever.
func TestOneShardsStoreFails(t *testing.T) {
	for _, reads := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			k := New(Options{Store: partly{memstate.New(), 7, reads}})
			k.Open(7, state.Owner{})
			k.Open(8, state.Owner{})
			ctx, cancel := context.WithCancel(t.Context())
			var others sync.WaitGroup
			others.Go(func() {
				for ; ctx.Err() == nil; time.Sleep(lastLook) {
					if _, _, err := k.Read(t.Context(), 8, state.Range{Shard: 8, Kind: "k", Key: "a"}); err != nil {
						t.Error(err)
					}
				}
			})
			for range 2 {
				began := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				_, _, err := k.Read(ctx, 7, state.Range{Shard: 7, Kind: "k", Key: "a"})
				if d := time.Since(began); !errors.Is(err, ErrNoStore) || !errors.Is(err, errDown) || d < patience || d > patience+lastLook {
					t.Errorf("its reads fail: %v: %v after %v", reads, err, d)
				}
				cancel()
			}
			cancel()
			others.Wait()
			k.Drop(7)
			closeShard(t, k, 8)
		})
	}
}

// refusing is a store that refuses to read.
type refusing struct {
	*memstate.Store
	err error
}

func (r refusing) Read(context.Context, state.Token, state.Range) ([]state.Entry, bool, error) {
	return nil, false, r.err
}

// TestReadsThatWaitingDoesNotMend fail at once.
func TestReadsThatWaitingDoesNotMend(t *testing.T) {
	for _, why := range []error{state.ErrClosed, state.ErrInvalid, state.ErrUnreadable, state.ErrOtherCluster} {
		synctest.Test(t, func(t *testing.T) {
			k := New(Options{Store: refusing{memstate.New(), why}})
			k.Open(7, state.Owner{})
			began := time.Now()
			if _, _, err := k.Read(t.Context(), 7, state.Range{Shard: 7, Kind: "k", Key: "a"}); !errors.Is(err, why) || time.Since(began) != 0 {
				t.Errorf("%v: got %v after %v", why, err, time.Since(began))
			}
			closeShard(t, k, 7)
		})
	}
}

// TestReadOfAShardThatIsDropped while it waits for the store ends soon.
func TestReadOfAShardThatIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, f, _ := newKeeper(t)
		f.down.Store(true)
		k.Open(7, state.Owner{})
		began := time.Now()
		time.AfterFunc(time.Second, func() { k.Drop(7) })
		if _, _, err := k.Read(t.Context(), 7, state.Range{Shard: 7, Kind: "k", Key: "a"}); !errors.Is(err, state.ErrDeposed) || time.Since(began) > time.Second+lastLook {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
	})
}
