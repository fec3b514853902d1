package dispatch

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// TestPassedOnWithoutAGate: on a node with a fixed list of shards too, what is passed on
// is pending, and a subscription that ends waits for it.
func TestPassedOnWithoutAGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDispatcher(transport.Limits{MaxPending: 2}, silent)
		life := NewLifetime(silent, d)
		b := &book{}
		h := life.HandlerFunc(b)
		s, err := d.Subscribe(life.Context(), whole(life.ReceiverFunc(func(ctx context.Context, env transport.Envelope) ([]byte, error) { return h(ctx, env) })))
		if err != nil {
			t.Fatal(err)
		}
		s.takesTwo(t)
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

// takesTwo sends four notifications. Two of them may be pending.
func (s *Sub) takesTwo(t *testing.T) {
	t.Helper()
	for i := range 4 {
		in := &inbox{}
		s.Dispatch(NewCall(transport.Envelope{Delivery: transport.AwaitAccept}, in, 0))
		synctest.Wait()
		if err := in.only(); (err != nil) != (i >= 2) || err != nil && !errors.Is(err, outcome.ErrOverloaded) {
			t.Errorf("notification %d of at most 2: %v", i, err)
		}
	}
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

// TestPassedOnByAGoroutine: what a goroutine passes on that outlives its handler is
// pending in its own right, and no drain that has begun admits it.
func TestPassedOnByAGoroutine(t *testing.T) {
	passingOn(t, transport.Limits{MaxPending: 2}, func(pass transport.HandlerFunc, _ chan struct{}) transport.HandlerFunc {
		return func(ctx context.Context, env transport.Envelope) ([]byte, error) {
			go func() { // ends with the call
				time.Sleep(time.Second)
				_, _ = pass(context.WithoutCancel(ctx), env)
			}()
			return nil, nil
		}
	}, func(s *Sub, _ *leasedFunc, b *book, _ chan struct{}) {
		send := func() {
			s.Dispatch(NewCall(transport.Envelope{}, &inbox{}, 0))
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

// TestEndlessGoroutine: one that passes calls on again and again when its handler has
// ended does not hold the end of the subscription up.
func TestEndlessGoroutine(t *testing.T) {
	for _, drain := range []bool{false, true} {
		var refused atomic.Int32
		passingOn(t, transport.Limits{HandlerTimeout: time.Second}, func(pass transport.HandlerFunc, _ chan struct{}) transport.HandlerFunc {
			return func(ctx context.Context, env transport.Envelope) ([]byte, error) {
				go func() { // ends when it is refused
					for refused.Load() == 0 {
						if _, err := pass(context.WithoutCancel(ctx), env); err != nil {
							refused.Add(1)
						}
						time.Sleep(10 * time.Millisecond)
					}
				}()
				return nil, nil
			}
		}, func(s *Sub, g *leasedFunc, b *book, _ chan struct{}) {
			go func() { // runs each for longer than it takes until the next; ends with the goroutine
				for i := 0; refused.Load() == 0 || i < len(b.all()); {
					if all := b.all(); i < len(all) {
						go func(c *Call) { // ends soon
							c.Start(nil)
							time.Sleep(15 * time.Millisecond)
							c.Reply(nil, nil)
							c.End()
						}(all[i])
						i++
						continue
					}
					time.Sleep(time.Millisecond)
				}
			}()
			s.Dispatch(NewCall(transport.Envelope{Delivery: transport.AwaitAccept}, &inbox{}, 0))
			pass(100 * time.Millisecond)
			began := time.Now()
			var err error
			if drain {
				g.at.Move(time.Now().Add(time.Minute), false)
				ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
				defer cancel()
				err = s.Drain(ctx)
			} else {
				err = s.Unsubscribe()
			}
			if took := time.Since(began); err != nil || took > 50*time.Millisecond {
				t.Errorf("drain %v: its end takes %v: %v", drain, took, err)
			}
			pass(time.Second)
			if refused.Load() != 1 {
				t.Error("nothing is refused")
			}
		})
	}
}

// all returns the calls that were accepted so far.
func (b *book) all() []*Call {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.calls
}

// TestBytesOfANestedCallCountOnce, of the node and of the key: while the func goes on that
// has passed them on, and when it has returned.
func TestBytesOfANestedCallCountOnce(t *testing.T) {
	passingOn(t, transport.Limits{}, func(pass transport.HandlerFunc, release chan struct{}) transport.HandlerFunc {
		return func(ctx context.Context, env transport.Envelope) ([]byte, error) {
			_, err := pass(ctx, env)
			<-release
			return nil, err
		}
	}, func(s *Sub, _ *leasedFunc, b *book, release chan struct{}) {
		s.life.LimitBytes(100, 100)
		send := func(key string) *inbox {
			in := &inbox{}
			s.Dispatch(NewCall(transport.Envelope{Key: key, Delivery: transport.AwaitAccept, Data: make([]byte, 59)}, in, 0))
			synctest.Wait()
			return in
		}
		held := func(when string, want int64) {
			of, _ := s.keys.held.Get(keyID{key: "k"})
			if node := s.life.bytes.Load(); node != want || of != want {
				t.Errorf("%s the node holds %d bytes, the key %d, want %d", when, node, of, want)
			}
		}
		in := send("k")
		if len(b.calls) != 1 || in.only() != nil {
			t.Fatalf("%d were passed on: %v", len(b.calls), in.only())
		}
		if err := b.calls[0].Weigh("k"); err != nil { // as a handler of keys does
			t.Error(err)
		}
		held("when they are in the mailbox", 60)
		for _, key := range []string{"k", "l"} {
			if err := send(key).only(); !errors.Is(err, outcome.ErrOverloaded) {
				t.Errorf("as many to %s: %v", key, err)
			}
		}
		close(release)
		synctest.Wait()
		held("when the func has returned", 60)
		b.finish()
		held("at the end", 0)
	})
}

// TestNeverMoreThanMaxPending: of many senders, whose calls are passed on.
func TestNeverMoreThanMaxPending(t *testing.T) {
	const most = 8
	d := NewDispatcher(transport.Limits{MaxPending: most}, silent)
	life := NewLifetime(silent, d)
	h := life.HandlerFunc(receiverFunc(func(c *Call) {
		go func() { // ends with the call
			c.Start(nil)
			c.Reply(nil, nil)
			c.End()
		}()
	}))
	g := &gauge{Receiver: life.ReceiverFunc(func(ctx context.Context, env transport.Envelope) ([]byte, error) { return h(ctx, env) })}
	s, err := d.Subscribe(life.Context(), whole(g))
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 4 * most {
		all.Go(func() {
			for range 500 {
				if _, err := s.Do(context.Background(), transport.Envelope{}); err != nil && !errors.Is(err, outcome.ErrOverloaded) {
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

func (g *gauge) CallStarted(*Call) any { return nil }

func (g *gauge) CallFinished(_ *Call, started bool, _ any, _ *outcome.Error) {
	if started {
		g.now.Add(-1)
	}
}
