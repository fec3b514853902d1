// watches: what the servers publish of what is stored

package natsstate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/state"
)

// watches are those of a store.
type watches struct {
	names
	nc *nats.Conn

	mu  sync.Mutex
	all map[*watch]struct{}
}

type watch struct {
	of  *watches
	r   state.Range
	sub *nats.Subscription
	f   func(state.Entry)

	mu    sync.Mutex // held while f runs
	ended bool
	last  state.Rev
}

// Watch implements [state.Store]. stop waits for a call of f that is under way, so f must not call
// it. Without a connection a watch begins when there is one; outcome.ErrNotPermitted says
// that the server refuses it.
func (ws *watches) Watch(r state.Range, f func(state.Entry)) (stop func(), err error) {
	if r.Place >= state.Places {
		return nil, fmt.Errorf("%w: place %d", state.ErrInvalid, r.Place)
	}
	seen := ws.dataSeen
	if r.Place == state.Inbox {
		seen = ws.inboxSeen
	}
	w := &watch{of: ws, r: r, f: f}
	subject := seen + tailOf(r)
	if w.sub, err = ws.nc.Subscribe(subject, w.see); errors.Is(err, nats.ErrConnectionClosed) {
		return nil, fmt.Errorf("watching %s: %w", subject, state.ErrClosed)
	} else if err != nil {
		return nil, fmt.Errorf("watching %s: %w", subject, err)
	}
	ws.mu.Lock()
	ws.all[w] = struct{}{}
	ws.mu.Unlock()
	if err := ws.begun(subject); err != nil {
		w.stop()
		return nil, err
	}
	return w.stop, nil
}

// begun returns when the server knows of a subscription, or there is none.
func (ws *watches) begun(subject string) error {
	if !ws.nc.IsConnected() {
		return nil // missed is called when it is
	}
	ctx, cancel := context.WithTimeout(context.Background(), answerTime)
	defer cancel()
	if ws.nc.FlushWithContext(ctx) != nil {
		return nil // it is made when the connection is
	}
	last := ws.nc.LastError()
	if errors.Is(last, nats.ErrPermissionViolation) && strings.Contains(last.Error(), "Subscription to "+strconv.Quote(subject)) {
		return outcome.Errorf(outcome.ErrNotPermitted, "%v", last)
	}
	return nil
}

func (w *watch) see(m *nats.Msg) {
	e := w.of.entry(m)
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended || e.Rev <= w.last {
		return
	}
	w.last = e.Rev
	w.f(e)
}

// missed is called when publications may not have come: the connection was lost, or its reader was
// too slow.
func (ws *watches) missed() {
	for _, w := range ws.list() {
		w.mu.Lock()
		if !w.ended {
			w.f(state.Entry{Place: w.r.Place, Shard: w.r.Shard, Kind: w.r.Kind, Key: w.r.Key})
		}
		w.mu.Unlock()
	}
}

func (w *watch) stop() {
	w.mu.Lock()
	w.ended = true
	w.mu.Unlock()
	_ = w.sub.Unsubscribe() // fails where the connection has gone
	w.of.mu.Lock()
	delete(w.of.all, w)
	w.of.mu.Unlock()
}

func (ws *watches) list() []*watch {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	return slices.Collect(maps.Keys(ws.all))
}

// close has watchers read once more, so that they hear of it.
func (ws *watches) close() {
	ws.missed()
	for _, w := range ws.list() {
		w.stop()
	}
}
