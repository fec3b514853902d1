// The script: which nodes come and go, and what is told of it

package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/clstr-go/clstr/cmd/clstr/internal/drainer"
	"github.com/clstr-go/clstr/cmd/clstr/internal/view"
	"github.com/clstr-go/clstr/membership"
)

// Show is a cluster whose nodes come and go.
type Show struct {
	url, prefix string
	store       membership.Store
	began       time.Time
	tell        func(Event)

	mu    sync.Mutex
	nodes map[string]*Node
	ended []*Node // replaced by others, or killed
}

// NewShow starts the first nodes. tell is called with each event, never concurrently.
func NewShow(ctx context.Context, url, prefix string, store membership.Store, tell func(Event), names ...string) (*Show, error) {
	s := &Show{url: url, prefix: prefix, store: store, began: time.Now(), tell: tell, nodes: map[string]*Node{}}
	for _, name := range names {
		if err := s.start(ctx, name); err != nil {
			return nil, errors.Join(err, s.Stop())
		}
	}
	for _, n := range s.nodes {
		select {
		case <-n.Ready():
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), s.Stop())
		}
	}
	return s, nil
}

func (s *Show) start(ctx context.Context, name string) error {
	n, err := Start(ctx, s.url, s.prefix, Options{Name: name})
	if err != nil {
		return fmt.Errorf("node %s: %w", name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.nodes[name]; old != nil {
		s.ended = append(s.ended, old)
	}
	s.nodes[name] = n
	return nil
}

func (s *Show) event(e Event) {
	e.At = time.Since(s.began)
	s.tell(e)
}

// Run plays the script, each step at its part of the whole time. It returns after the
// last step, or when ctx ends.
func (s *Show) Run(ctx context.Context, whole time.Duration) error {
	steps := []func(context.Context) error{
		func(ctx context.Context) error { return s.join(ctx, "d") },
		func(ctx context.Context) error { return s.drain(ctx, "a") },
		func(ctx context.Context) error { return s.kill(ctx, "b") },
		func(ctx context.Context) error { return s.join(ctx, "a") },
		func(ctx context.Context) error { return s.join(ctx, "b") },
	}
	for i, step := range steps {
		at := whole * time.Duration(i+1) / time.Duration(len(steps)+1)
		select {
		case <-time.After(at - time.Since(s.began)):
		case <-ctx.Done():
			return nil
		}
		if err := step(ctx); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// join starts a node and waits until it serves.
func (s *Show) join(ctx context.Context, name string) error {
	began := time.Now()
	if err := s.start(ctx, name); err != nil {
		return err
	}
	s.event(Event{What: Joins, Node: name})
	s.mu.Lock()
	n := s.nodes[name]
	s.mu.Unlock()
	select {
	case <-n.Ready():
		s.event(Event{What: Serves, Node: name, Took: time.Since(began)})
	case <-ctx.Done():
	}
	return nil
}

// drain asks a node to leave, as clstr drain does.
func (s *Show) drain(ctx context.Context, name string) error {
	began := time.Now()
	d, err := drainer.New(s.store)
	if err != nil {
		return err
	}
	defer d.Close()
	n, err := s.find(ctx, name)
	if err != nil {
		return err
	}
	if err := d.Ask(ctx, n.Ref); errors.Is(err, drainer.ErrGone) { // it was drained from another terminal
		s.event(Event{What: HasLeft, Node: name})
		return nil
	} else if err != nil {
		return err
	}
	s.event(Event{What: Drains, Node: name})
	r, err := d.Wait(ctx, func(int, int) {})
	if err != nil {
		return err
	}
	s.event(Event{What: Drained, Node: name, Shards: r.Moved(), Took: time.Since(began), Pause: longest(r.Pauses)})
	return nil
}

// find looks a node up in the records.
func (s *Show) find(ctx context.Context, name string) (*view.Node, error) {
	c, err := view.Load(ctx, s.store)
	if err != nil {
		return nil, err
	}
	return c.Node(name)
}

func longest(pauses []time.Duration) time.Duration {
	if len(pauses) == 0 {
		return 0
	}
	return slices.Max(pauses)
}

// kill ends a node without a word, and waits until others serve its shards.
func (s *Show) kill(ctx context.Context, name string) error {
	n, err := s.find(ctx, name)
	if err != nil {
		return err
	}
	if n.Final() {
		s.event(Event{What: HasLeft, Node: name})
		return nil
	}
	began := time.Now()
	s.mu.Lock()
	victim := s.nodes[name]
	s.mu.Unlock()
	victim.Kill()
	s.event(Event{What: Killed, Node: name, Shards: n.Owns})
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if c, err := view.Load(ctx, s.store); err == nil && !slices.ContainsFunc(c.Shards, func(sh view.Shard) bool { return sh.Owner == n.Ref }) {
			s.event(Event{What: TakenOver, Node: name, Took: time.Since(began)})
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// Stop stops all nodes, side by side, and waits for those that were killed.
func (s *Show) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var work sync.WaitGroup
	for _, n := range s.nodes {
		work.Go(func() { _ = n.Stop() }) // an error of one that was killed says so
	}
	work.Wait()
	for _, n := range s.ended {
		<-n.Ended()
	}
	return nil
}
