// watches: what the servers publish of what is stored

package natsstate

import (
	"context"
	"errors"
	"fmt"
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
	w := &watch{of: ws, f: f}
	subject := seen + tailOf(r)
	if w.sub, err = ws.nc.Subscribe(subject, w.see); err != nil {
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

func (w *watch) stop() {
	w.mu.Lock()
	w.ended = true
	w.mu.Unlock()
	_ = w.sub.Unsubscribe() // fails where the connection has gone
	w.of.mu.Lock()
	delete(w.of.all, w)
	w.of.mu.Unlock()
}

func (ws *watches) close() {
	ws.mu.Lock()
	var all []*watch
	for w := range ws.all {
		all = append(all, w)
	}
	ws.mu.Unlock()
	for _, w := range all {
		w.stop()
	}
}
