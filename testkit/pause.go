// What stands between a node of a live cluster and the others while it is paused

package testkit

import (
	"context"
	"sync"

	"github.com/clstr-go/clstr/internal/dispatch"
)

// stillness says whether a node stands still, and holds what waits for it to go on.
type stillness struct {
	mu    sync.Mutex
	wake  chan struct{} // closed when the node goes on; nil while it runs
	queue []func()
}

func (s *stillness) set(still bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case still && s.wake == nil:
		s.wake = make(chan struct{})
	case !still && s.wake != nil:
		for len(s.queue) > 0 { // in the order in which they came, before what comes
			queue := s.queue
			s.queue = nil
			s.mu.Unlock() // they are the node's own code
			for _, f := range queue {
				f()
			}
			s.mu.Lock()
		}
		close(s.wake)
		s.wake = nil
	}
}

// when runs f, which must not block: now, or when the node goes on.
func (s *stillness) when(f func()) {
	s.mu.Lock()
	if s.wake != nil {
		s.queue = append(s.queue, f)
		s.mu.Unlock()
		return
	}
	s.mu.Unlock()
	f()
}

// wait returns when the node runs, or ctx's error.
func (s *stillness) wait(ctx context.Context) error {
	s.mu.Lock()
	wake := s.wake
	s.mu.Unlock()
	if wake == nil {
		return nil
	}
	select {
	case <-wake:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pausable is a node's receiver that takes nothing while the node stands still.
type pausable struct {
	dispatch.Receiver
	still *stillness
}

// Accept implements dispatch.Receiver.
func (p pausable) Accept(c *dispatch.Call) { p.still.when(func() { p.Receiver.Accept(c) }) }
