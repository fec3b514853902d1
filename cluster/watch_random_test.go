package cluster_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/internal/watchtest"
	"github.com/clstr-go/clstr/state"
)

// unruly is a store whose replicas are behind by up to 20 s, whose hints are lost, late and
// doubled, and whose reads fail for a while, all by a seed.
type unruly struct {
	state.Store

	mu      sync.Mutex
	rand    *rand.Rand
	calm    bool
	records []state.Entry // all that was ever stored
	f       func(state.Entry)
}

func (u *unruly) Watch(_ state.Range, f func(state.Entry)) (func(), error) {
	if u.chance(10) {
		return nil, errors.New("no route")
	}
	u.watch(f)
	return func() { u.watch(nil) }, nil
}

func (u *unruly) watch(f func(state.Entry)) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.f = f
}

func (u *unruly) Read(ctx context.Context, _ state.Token, _ state.Range) ([]state.Entry, bool, error) {
	select {
	case <-time.After(u.within(200 * time.Millisecond)):
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
	if u.chance(20) {
		return nil, false, errors.New("no route")
	}
	behind := u.chance(50)
	u.mu.Lock()
	defer u.mu.Unlock()
	known := len(u.records)
	for behind && known > 0 && time.Since(u.records[known-1].Time) < 20*time.Second && u.rand.IntN(3) > 0 {
		known--
	}
	if known == 0 || u.records[known-1].Ended(time.Now()) {
		return nil, false, nil
	}
	return []state.Entry{u.records[known-1].Clone()}, false, nil
}

// chance reports whether something goes wrong that does so in some of a hundred cases.
func (u *unruly) chance(percent int) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return !u.calm && u.rand.IntN(100) < percent
}

func (u *unruly) within(d time.Duration) time.Duration {
	u.mu.Lock()
	defer u.mu.Unlock()
	return time.Duration(u.rand.Int64N(int64(d)))
}

// put stores a state, which may be a deletion or end soon, and may tell of it.
func (u *unruly) put(rev state.Rev) {
	u.mu.Lock()
	defer u.mu.Unlock()
	e := *shown(rev, int(rev))
	switch u.rand.IntN(5) {
	case 0:
		e.Record.Deleted, e.Record.State = true, nil
	case 1:
		e.TTL = time.Duration(1+u.rand.IntN(40)) * time.Second
	}
	u.records = append(u.records, e)
	for range u.rand.IntN(3) {
		told := e.Clone()
		if u.rand.IntN(10) == 0 {
			told = state.Entry{}
		}
		time.AfterFunc(time.Duration(u.rand.IntN(5000))*time.Millisecond, func() {
			u.mu.Lock()
			f := u.f
			u.mu.Unlock()
			if f != nil {
				f(told)
			}
		})
	}
}

// Whatever the store does, a loop is told nothing older and nothing twice, and in the end what is
// there.
func TestWatchOfAnUnrulyStore(t *testing.T) {
	for seed := range uint64(300) {
		synctest.Test(t, func(t *testing.T) {
			u := &unruly{rand: rand.New(rand.NewPCG(seed, 0))}
			ctx, cancel := context.WithCancel(t.Context())
			var last cluster.Change[watchtest.Account]
			told, ended := 0, make(chan struct{})
			go func() { // ends with ctx
				defer close(ended)
				for change, err := range cluster.Watch[watchtest.Account](ctx, watchtest.NewClient(t, u, 1).Kind("account").Key("a")) {
					switch {
					case err != nil:
						t.Errorf("seed %d: %v", seed, err)
					case told > 0 && (change.Rev < last.Rev || change.Rev == last.Rev && !(change.Deleted && !last.Deleted)):
						t.Errorf("seed %d: told %+v after %+v", seed, change, last)
					case !change.Deleted && change.State.Balance != int(change.Rev):
						t.Errorf("seed %d: told %+v", seed, change)
					}
					last = change
					told++
					if u.chance(30) {
						time.Sleep(u.within(20 * time.Second))
					}
				}
			}()
			for rev := range state.Rev(40) {
				time.Sleep(u.within(8 * time.Second))
				u.put(rev + 1)
			}
			u.mu.Lock()
			u.calm = true
			u.mu.Unlock()
			time.Sleep(2 * time.Minute)
			cancel()
			<-ended
			newest := u.records[len(u.records)-1]
			gone := newest.Record.Deleted || newest.TTL > 0
			if last.Deleted != gone || !gone && last.Rev != newest.Rev || told < 5 {
				t.Errorf("seed %d: told %d times, at the end %+v, and stored is %d, gone: %v", seed, told, last, newest.Rev, gone)
			}
		})
	}
}
