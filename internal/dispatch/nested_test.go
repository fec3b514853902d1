package dispatch

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/internal/standing"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// leasedFunc is a func whose shard may move, as a node has it.
type leasedFunc struct {
	Receiver
	at *standing.Standing
}

func newLeasedFunc(r Receiver) *leasedFunc {
	at, _ := leased()
	return &leasedFunc{r, at}
}

// passingOn runs a test with a handler that passes its calls on to a book, behind a
// gate.
func passingOn(t *testing.T, l transport.Limits, h func(pass transport.HandlerFunc, release chan struct{}) transport.HandlerFunc, test func(s *Sub, g *leasedFunc, b *book, release chan struct{})) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDispatcher(l, silent)
		life := NewLifetime(silent, d)
		b, release := &book{}, make(chan struct{})
		g := newLeasedFunc(life.ReceiverFunc(h(life.HandlerFunc(b), release)))
		s, err := d.Subscribe(life.Context(), whole(g))
		if err != nil {
			t.Fatal(err)
		}
		test(s, g, b, release)
		if err := life.End(); err != nil {
			t.Error(err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
}

func (s *Sub) drainAndDrop(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if s.Drain(ctx) == nil {
		t.Error("drained although calls go on")
	}
	_ = s.Drop(ctx)
}

// TestNestedCallCountsByItself: a drain that is cut off counts the func that goes on, and
// what it has passed on.
func TestNestedCallCountsByItself(t *testing.T) {
	passingOn(t, transport.Limits{}, func(pass transport.HandlerFunc, release chan struct{}) transport.HandlerFunc {
		return func(ctx context.Context, env transport.Envelope) ([]byte, error) {
			_, err := pass(ctx, env)
			<-release
			return nil, err
		}
	}, func(s *Sub, g *leasedFunc, b *book, release chan struct{}) {
		s.Dispatch(NewCall(transport.Envelope{Delivery: transport.AwaitAccept}, &inbox{}, 0))
		synctest.Wait()
		g.at.Move(time.Now().Add(time.Minute), false)
		s.drainAndDrop(t)
		wantCounts(t, s, outcome.DrainCounts{Lost: 2})
		close(release)
		synctest.Wait()
		wantCounts(t, s, outcome.DrainCounts{Lost: 1})
		b.calls[0].Start(nil)
		b.calls[0].Reply(nil, nil)
		b.calls[0].End()
		wantCounts(t, s, outcome.DrainCounts{})
	})
}

// TestNotAcknowledgedIsNotLost: who is told later that it never began sends it again.
func TestNotAcknowledgedIsNotLost(t *testing.T) {
	passingOn(t, transport.Limits{MaxConcurrentHandlers: 1}, func(pass transport.HandlerFunc, release chan struct{}) transport.HandlerFunc {
		return func(ctx context.Context, env transport.Envelope) ([]byte, error) {
			if env.Type == "stuck" {
				<-release
				return nil, nil
			}
			return pass(ctx, env)
		}
	}, func(s *Sub, g *leasedFunc, b *book, release chan struct{}) {
		s.Dispatch(NewCall(transport.Envelope{Delivery: transport.AwaitAccept}, &inbox{}, 0)) // from now on it is known to pass on
		synctest.Wait()
		b.calls[0].Start(nil)
		b.calls[0].Reply(nil, nil)
		b.calls[0].End()
		s.Dispatch(NewCall(transport.Envelope{Type: "stuck"}, &inbox{}, 0))
		synctest.Wait()
		waits := &inbox{}
		s.Dispatch(NewCall(transport.Envelope{Delivery: transport.AwaitAccept}, waits, 0))
		g.at.Move(time.Now().Add(time.Minute), false)
		s.drainAndDrop(t)
		wantCounts(t, s, outcome.DrainCounts{Lost: 1}) // the one that is stuck
		g.at.Lose()
		close(release)
		synctest.Wait()
		if err := waits.only(); err == nil || err.Outcome != outcome.NotStarted {
			t.Errorf("its sender is told %v", err)
		}
	})
}

// TestPassedOnTwice: what a handler passes on to one that passes it on belongs to the
// subscription that it came by.
func TestPassedOnTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDispatcher(transport.Limits{}, silent)
		life := NewLifetime(silent, d)
		b := &book{}
		to := func(r Receiver) Receiver {
			pass := life.HandlerFunc(r)
			return life.ReceiverFunc(func(ctx context.Context, env transport.Envelope) ([]byte, error) { return pass(ctx, env) })
		}
		s, err := d.Subscribe(life.Context(), whole(newLeasedFunc(to(to(b)))))
		if err != nil {
			t.Fatal(err)
		}
		s.Dispatch(NewCall(transport.Envelope{Delivery: transport.AwaitAccept}, &inbox{}, 0))
		synctest.Wait()
		c := b.calls[0]
		c.Start(nil)
		_ = c.Done()
		if s.Pending() != 1 {
			t.Errorf("%d pending", s.Pending())
		}
		s.Lapse()
		if c.Err() == nil {
			t.Error("its context goes on without the lease")
		}
		c.End()
		if s.Pending() != 0 {
			t.Errorf("%d pending at the end", s.Pending())
		}
		if err := life.End(); err != nil {
			t.Error(err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestPassedOnWithoutASender: a request that was passed on is pending by itself, also when
// its sender has left, until its handler has ended. It is not refused for want of room.
func TestPassedOnWithoutASender(t *testing.T) {
	passingOn(t, transport.Limits{MaxPending: 2}, func(pass transport.HandlerFunc, _ chan struct{}) transport.HandlerFunc {
		return func(ctx context.Context, env transport.Envelope) ([]byte, error) { return pass(ctx, env) }
	}, func(s *Sub, _ *leasedFunc, b *book, _ chan struct{}) {
		ask := func(budget time.Duration) *inbox {
			sender := &inbox{}
			s.Dispatch(NewCall(transport.Envelope{}, sender, budget))
			synctest.Wait()
			return sender
		}
		ask(time.Second)
		b.calls[0].Start(nil)
		pass(2 * time.Second) // the first sender has left
		ask(time.Minute)
		b.calls[1].Start(nil)
		if refused := ask(time.Minute); s.Pending() != 3 || refused.count() != 1 || !errors.Is(refused.only(), outcome.ErrOverloaded) {
			t.Errorf("%d are pending, and a third is told %v", s.Pending(), refused.errs)
		}
		b.calls[0].End()
		if s.Pending() != 2 {
			t.Errorf("when the first has ended %d are pending", s.Pending())
		}
		b.calls[1].Reply(nil, nil)
		b.calls[1].End()
		synctest.Wait()
		if s.Pending() != 0 {
			t.Errorf("%d are pending at the end", s.Pending())
		}
	})
}
