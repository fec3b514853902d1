// What a shard asks of its store, and how long it waits for that

package keeper

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/state"
)

// theStore names the store where its code does not return.
const theStore = "methods of the store of state"

// send commits a change. The store is not ours: if its Commit panics, or ends the goroutine, the change is in doubt and the
// shard goes on.
func (s *shard) send(c *state.Change, done func(state.Rev, error)) {
	returned := false
	defer func() {
		if returned {
			return
		}
		if value := recover(); value != nil {
			s.opts.Log.Error("the store of state panicked", sparse.Shard(s.core.shard), sparse.Panic(value))
			done(0, errors.New(theStore+" panicked"))
			return
		}
		done(0, errors.New(theStore+" ended their goroutine"))
		s.goOn() // in place of this goroutine
	}()
	s.opts.Store.Commit(*c, done)
	returned = true
}

// start sends a question to the store, if the shard has not been dropped. The question ends with
// the answer, with tryTime or with the shard's context; Close waits for it.
func (s *shard) start(f func(ctx context.Context)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return
	}
	s.tasks++
	s.asks.Go(func() { // ends with the question
		ctx, cancel := context.WithTimeout(s.ctx, tryTime)
		defer cancel()
		defer func() { // also if the store ends the goroutine in a Commit that follows
			s.mu.Lock()
			defer s.mu.Unlock()
			s.tasks--
			s.wake()
		}()
		f(ctx)
	})
}

const (
	firstPause = 50 * time.Millisecond
	soonPause  = time.Second // the longest pause of the first soonTries, which take about as long as patience
	soonTries  = 16
	lastPause  = 5 * time.Second
	// tryTime bounds one question to the store.
	tryTime = 10 * time.Second
)

// backOff grows with failures in a row, and differs between shards.
func backOff(failed int) time.Duration {
	most := lastPause
	if failed <= soonTries {
		most = soonPause
	}
	d := min(firstPause<<min(failed-1, 10), most)
	return d/2 + rand.N(d/2)
}

// found is what a look has found.
type found struct {
	rev   state.Rev
	there bool
}

// find reads whether a change is stored. It is, if its number is in the key's record, or in an event
// that was stored since its fence.
func (s *shard) find(ctx context.Context, l look) (f found, err error) {
	c := l.change
	r := state.Range{Place: state.Records, Shard: c.Token.Shard, Kind: c.Kind, Key: c.Key}
	if c.Record == nil {
		r.Place, r.After = state.Events, c.Token.Rev
	}
	for more := true; more; {
		var es []state.Entry
		if es, more, err = s.opts.Store.Read(ctx, l.token, r); err != nil {
			return f, err
		}
		for _, e := range es {
			switch {
			case e.Err != nil:
				return f, e.Err
			case e.Record != nil && reaches(e.Record.Number, c.Number()), e.Event != nil && reaches(e.Event.Number, c.Number()):
				return found{e.Rev, true}, nil
			}
			r.After = e.Rev
		}
	}
	return f, nil
}

// reaches reports whether a number is another one or a later one. Numbers begin anew after the largest.
func reaches(n, other uint64) bool { return int64(n-other) >= 0 }
