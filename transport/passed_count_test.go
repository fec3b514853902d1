package transport

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestPassedOnWithoutAGate: on a node with a fixed list of shards too, what is passed on
// is pending, and a subscription that ends waits for it.
func TestPassedOnWithoutAGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDispatcher(Limits{MaxPending: 2}, silent)
		life := NewLifetime(silent, dispatched{d})
		b := &book{}
		h := life.HandlerFunc(b)
		s, err := d.Subscribe(life.Context(), life.ReceiverFunc(func(ctx context.Context, env Envelope) ([]byte, error) { return h(ctx, env) }))
		if err != nil {
			t.Fatal(err)
		}
		for i := range 4 {
			in := &inbox{}
			s.Dispatch(NewCall(Envelope{Delivery: AwaitAccept}, in, 0))
			synctest.Wait()
			if err := in.only(); (err != nil) != (i >= 2) || err != nil && !errors.Is(err, ErrOverloaded) {
				t.Errorf("notification %d: %v", i, err)
			}
		}
		ended := make(chan error, 1)
		go func() { ended <- s.Unsubscribe() }() // ends with the last call
		synctest.Wait()
		if len(ended) != 0 || s.Pending() != 2 {
			t.Errorf("%d are pending, and the subscription has ended: %v", s.Pending(), len(ended) != 0)
		}
		b.finish()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		end(t, life, d)
	})
}

func end(t *testing.T, life *Lifetime, d *Dispatcher) {
	t.Helper()
	if err := life.End(); err != nil {
		t.Error(err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// finish runs all calls that were accepted.
func (b *book) finish() {
	for _, c := range b.calls {
		if c.Start(nil) {
			c.Reply(nil, nil)
			c.End()
		}
	}
}

// TestNotificationWithItsHandlerIsOne: also while the handler that has passed it on
// goes on.
func TestNotificationWithItsHandlerIsOne(t *testing.T) {
	passingOn(t, Limits{MaxPending: 2}, func(pass HandlerFunc, release chan struct{}) HandlerFunc {
		return func(ctx context.Context, env Envelope) ([]byte, error) {
			_, err := pass(ctx, env)
			<-release
			return nil, err
		}
	}, func(s *Sub, _ *standingGate, b *book, release chan struct{}) {
		for range 2 {
			in := &inbox{}
			s.Dispatch(NewCall(Envelope{Delivery: AwaitAccept}, in, 0))
			synctest.Wait()
			if err := in.only(); err != nil {
				t.Errorf("of two: %v", err)
			}
		}
		close(release)
		b.finish()
		synctest.Wait()
		if s.Pending() != 0 {
			t.Errorf("%d are pending at the end", s.Pending())
		}
	})
}

// TestPassedOnByAGoroutine: what a goroutine passes on that outlives its handler is
// pending in its own right, and no drain that has begun admits it.
func TestPassedOnByAGoroutine(t *testing.T) {
	passingOn(t, Limits{MaxPending: 2}, func(pass HandlerFunc, _ chan struct{}) HandlerFunc {
		return func(ctx context.Context, env Envelope) ([]byte, error) {
			go func() { // ends with the call
				time.Sleep(time.Second)
				_, _ = pass(context.WithoutCancel(ctx), env)
			}()
			return nil, nil
		}
	}, func(s *Sub, _ *standingGate, b *book, _ chan struct{}) {
		send := func() {
			s.Dispatch(NewCall(Envelope{}, &inbox{}, 0))
			synctest.Wait()
		}
		send()
		pass(2 * time.Second)
		if s.Pending() != 1 || len(b.calls) != 1 {
			t.Errorf("%d are pending, %d were passed on", s.Pending(), len(b.calls))
		}
		send() // its handler ends before the drain, and its goroutine after
		ended := make(chan error, 1)
		go func() { ended <- s.Unsubscribe() }() // ends with the last call
		pass(2 * time.Second)
		if s.Pending() != 1 || len(b.calls) != 1 || len(ended) != 0 {
			t.Errorf("in a drain %d are pending, %d were passed on", s.Pending(), len(b.calls))
		}
		b.finish()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestNeverMoreThanMaxPending: of many senders, whose calls are passed on.
func TestNeverMoreThanMaxPending(t *testing.T) {
	const most = 8
	d := NewDispatcher(Limits{MaxPending: most}, silent)
	life := NewLifetime(silent, dispatched{d})
	h := life.HandlerFunc(receiverFunc(func(c *Call) {
		go func() { // ends with the call
			c.Start(nil)
			c.Reply(nil, nil)
			c.End()
		}()
	}))
	g := &gauge{Receiver: life.ReceiverFunc(func(ctx context.Context, env Envelope) ([]byte, error) { return h(ctx, env) })}
	s, err := d.Subscribe(life.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 4 * most {
		all.Go(func() {
			for range 500 {
				if _, err := s.Do(context.Background(), Envelope{}); err != nil && !errors.Is(err, ErrOverloaded) {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if n := g.most.Load(); n > most {
		t.Errorf("%d were pending at once", n)
	}
	end(t, life, d)
	if s.Pending() != 0 {
		t.Errorf("%d are pending at the end", s.Pending())
	}
}

// gauge notes how many calls are accepted and have not finished, at most.
type gauge struct {
	Receiver
	now, most atomic.Int64
}

func (g *gauge) Accept(c *Call) {
	n := g.now.Add(1)
	for m := g.most.Load(); n > m && !g.most.CompareAndSwap(m, n); m = g.most.Load() {
	}
	g.Receiver.Accept(c)
}

func (g *gauge) CallStarted(*Call) {}

func (g *gauge) CallFinished(_ *Call, started bool, _ *Error) {
	if started {
		g.now.Add(-1)
	}
}
