// Nodes of a live cluster that stand still

package testkit

import (
	"context"
	"sync"
	"time"

	"github.com/clstr-go/clstr/transport"
)

// PauseNode holds a node of a live cluster still, as SIGSTOP or a long pause of
// its machine does: what is sent to it arrives when it goes on, and it does not
// reach the store of members, which neither answers nor refuses. Its connections
// stay, so that who waits for it waits. Handlers that run go on: a goroutine cannot
// be stopped. ResumeNode undoes it. A node that does not run is left alone.
func (c *Cluster) PauseNode(id string) { c.t.Helper(); c.setPaused(id, true) }

// ResumeNode undoes [Cluster.PauseNode].
func (c *Cluster) ResumeNode(id string) { c.t.Helper(); c.setPaused(id, false) }

func (c *Cluster) setPaused(id string, paused bool) {
	c.t.Helper()
	c.mustKnow(id)
	c.mustLive("PauseNode and ResumeNode")
	c.mu.Lock()
	m := c.nodes[id]
	if m != nil && paused {
		m.wasCut = true
	}
	c.mu.Unlock()
	if m != nil {
		m.still.set(paused)
	}
}

// stillness is whether a node stands still, and what waits for it.
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

// when runs f, which must not block, now or when the node goes on.
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
	inner transport.Receiver
	still *stillness
}

// Accept implements transport.Receiver.
func (p pausable) Accept(c *transport.Call) { p.still.when(func() { p.inner.Accept(c) }) }

// Admit implements transport.Gate for a receiver that does.
func (p pausable) Admit(c *transport.Call, now time.Time, starts bool) *transport.Error {
	if g, ok := p.inner.(transport.Gate); ok {
		return g.Admit(c, now, starts)
	}
	return nil
}

// Moving implements transport.Gate for a receiver that does.
func (p pausable) Moving() bool {
	g, ok := p.inner.(transport.Gate)
	return ok && g.Moving()
}

var (
	_ transport.Gate     = pausable{}
	_ transport.Observer = pausable{}
)

// CallStarted and CallFinished implement transport.Observer for a receiver that
// does.
func (p pausable) CallStarted(c *transport.Call) {
	if o, ok := p.inner.(transport.Observer); ok {
		o.CallStarted(c)
	}
}

func (p pausable) CallFinished(c *transport.Call, started bool, err *transport.Error) {
	if o, ok := p.inner.(transport.Observer); ok {
		o.CallFinished(c, started, err)
	}
}
