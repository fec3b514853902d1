// Watch: what the servers publish of writes

package natsstore

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/outcome"
)

// watch hands on what the servers publish of writes.
type watch struct {
	s   *Store
	sub *nats.Subscription
	f   func(membership.Entry)

	mu    sync.Mutex // held while f runs
	ended bool
	last  uint64
}

// Watch implements [membership.Store]. Versions come in the order of all
// revisions: one that is late is left out. stop waits for a call of f that is
// under way, so f must not call it. Without a connection a watch begins when
// there is one; outcome.ErrNotPermitted says that the server refuses it.
func (s *Store) Watch(f func(membership.Entry)) (stop func(), err error) {
	w := &watch{s: s, f: f}
	sub, err := s.nc.Subscribe(s.events+">", w.see)
	if err != nil {
		return nil, s.mapped(context.Background(), err)
	}
	w.sub = sub
	s.mu.Lock()
	s.watches[w] = struct{}{}
	s.mu.Unlock()
	if err := s.begun(sub.Subject); err != nil {
		w.stop()
		return nil, err
	}
	return w.stop, nil
}

// begun returns when the server knows of a subscription, or there is none.
func (s *Store) begun(subject string) error {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	err := s.nc.FlushWithContext(ctx)
	if s.isClosed() {
		return s.mapped(ctx, nats.ErrConnectionClosed)
	}
	if err != nil {
		return nil // it is made when the connection is
	}
	last := s.nc.LastError()
	if errors.Is(last, nats.ErrPermissionViolation) && strings.Contains(last.Error(), "Subscription to "+strconv.Quote(subject)) {
		return outcome.Errorf(outcome.ErrNotPermitted, "%v", last)
	}
	return nil
}

func (w *watch) see(m *nats.Msg) {
	e, ok := decodeEvent(w.s.events, m)
	w.mu.Lock()
	defer w.mu.Unlock()
	if !ok || w.ended || e.Rev <= w.last {
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
	w.s.mu.Lock()
	delete(w.s.watches, w)
	w.s.mu.Unlock()
}
