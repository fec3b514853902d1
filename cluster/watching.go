// The loop of a watch: looks and hints, what is news, what to try again

package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/state"
)

// How often a watch looks at the store. Hints tell it of most changes sooner.
const (
	watchEvery = 30 * time.Second
	// watchAgain is the pause after something that hints may have missed, such as a new connection:
	// servers take a moment until all of them know of it.
	watchAgain     = time.Second
	watchTime      = 10 * time.Second // how long a look may take
	watchPause     = 100 * time.Millisecond
	watchPauseMost = 5 * time.Second // the longest pause after a look that fails
)

// sight is what a watch has seen of a key: a record, that there is none, or an error.
type sight struct {
	rev    state.Rev
	record *state.Record
	err    error
}

// connecter is a store that connects when it is first used: a watch of the store has no context
// to wait with.
type connecter interface {
	Connect(ctx context.Context) error
}

// watching is one loop. The store's goroutines touch its hints only.
type watching struct {
	store state.Store
	at    state.Range
	log   *slog.Logger
	hints hints
	seen  seen

	stop   func() // ends the store's watch; nil before it has begun
	failed error  // of the last look
	pause  time.Duration
	due    time.Time // of the next look
	again  bool      // the next look is not the last for long
}

// run looks until pass returns false. It returns an error if waiting does not mend it, or if ctx
// ends and the store could not be read.
func (w *watching) run(ctx context.Context, pass func(sight) bool) error {
	w.hints.wake = make(chan struct{}, 1)
	w.again, w.pause = true, watchPause
	defer w.end()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return w.ended(context.Cause(ctx))
		case <-w.hints.wake:
			e, missed := w.hints.take()
			if s, news := w.seen.hint(e, time.Now()); news && !pass(s) {
				return nil
			}
			if missed {
				w.again, w.due = true, time.Time{}
			}
		case <-timer.C:
			s, news, err := w.look(ctx)
			if err != nil {
				return err
			}
			if news && !pass(s) {
				return nil
			}
		}
		timer.Reset(time.Until(w.seen.next(w.due)))
	}
}

// ended is what is told when the context has ended: nothing, if the last look went well.
func (w *watching) ended(cause error) error {
	switch {
	case w.failed == nil && w.seen.any:
		return nil
	case w.failed == nil || errors.Is(w.failed, cause):
		return cmp.Or(w.failed, cause)
	}
	return fmt.Errorf("%w: %w", w.failed, cause)
}

func (w *watching) end() {
	if w.stop != nil {
		w.stop()
		w.stop = nil
	}
}

// look reads what is stored. Its error ends the watch.
func (w *watching) look(ctx context.Context) (s sight, news bool, err error) {
	e, err := w.read(ctx)
	now := time.Now()
	for _, final := range []error{state.ErrClosed, state.ErrInvalid, outcome.ErrNotPermitted, outcome.ErrBadOption} {
		if errors.Is(err, final) {
			return s, false, err
		}
	}
	if err != nil {
		if w.failed == nil && ctx.Err() == nil {
			w.log.Warn("a watch cannot read the store of state, and tries again",
				sparse.Entity(w.at.Kind, w.at.Shard, w.at.Key), slog.Any("error", err))
		}
		if ctx.Err() == nil || !w.seen.any && w.failed == nil {
			w.failed = err
		}
		w.due, w.pause, w.again = now.Add(jittered(w.pause)), min(2*w.pause, watchPauseMost), true
		return s, false, nil
	}
	w.failed, w.pause = nil, watchPause
	if s, news = w.seen.look(e, now); errors.Is(s.err, state.ErrSetBack) {
		w.end() // its revisions are others
		w.due, w.again = now, true
		return s, news, nil
	}
	w.due = now.Add(jittered(watchEvery))
	if w.again || w.seen.unsure(now) {
		w.due, w.again = now.Add(watchAgain), false
	}
	return s, news, nil
}

// read returns what is stored, nil for nothing. The store's watch begins before the first.
func (w *watching) read(ctx context.Context) (*state.Entry, error) {
	if w.stop == nil {
		if c, ok := w.store.(connecter); ok {
			if err := c.Connect(ctx); err != nil {
				return nil, err
			}
		}
		stop, err := w.store.Watch(w.at, w.hints.put)
		if err != nil {
			return nil, err
		}
		w.stop = stop
	}
	ctx, cancel := context.WithTimeout(ctx, watchTime)
	defer cancel()
	es, _, err := w.store.Read(ctx, state.Token{}, w.at)
	if err != nil || len(es) == 0 {
		return nil, err
	}
	return &es[len(es)-1], nil
}

// jittered spreads the looks of watches that lost their connections at the same moment.
func jittered(d time.Duration) time.Duration { return d - d/10 + rand.N(d/5) }

// hints has the newest hint of the store since the loop's last look.
type hints struct {
	wake chan struct{} // holds one token if there is something

	mu     sync.Mutex
	newest state.Entry // without a revision: none
	missed bool
}

func (h *hints) put(e state.Entry) {
	h.mu.Lock()
	if e.Rev == 0 {
		h.missed = true
	} else if e.Rev > h.newest.Rev {
		h.newest = e
	}
	h.mu.Unlock()
	select {
	case h.wake <- struct{}{}:
	default: // the loop will look
	}
}

func (h *hints) take() (e state.Entry, missed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e, missed = h.newest, h.missed
	h.newest, h.missed = state.Entry{}, false
	return e, missed
}
