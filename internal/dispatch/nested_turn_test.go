package dispatch

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// TestTurnPassesOn: what the turn of a key passes on to another handler of keys belongs
// to the subscription that it came by, as what a func passes on does: a drain waits for
// it, it is pending, and it does not begin when the shard is another's.
func TestTurnPassesOn(t *testing.T) {
	for _, belowFunc := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			d := NewDispatcher(transport.Limits{MaxPending: 2}, silent)
			life := NewLifetime(silent, d)
			b := &book{}
			second := life.HandlerFunc(b)
			var turn Receiver = receiverFunc(func(c *Call) {
				go func() { // ends with the turn
					if c.Start(nil) {
						data, err := second(c, *c.Envelope())
						c.Reply(data, err)
						c.End()
					}
				}()
			})
			if belowFunc {
				first := life.HandlerFunc(turn)
				turn = life.ReceiverFunc(func(ctx context.Context, env transport.Envelope) ([]byte, error) { return first(ctx, env) })
			}
			g := newLeasedFunc(turn)
			s, err := d.Subscribe(life.Context(), whole(g))
			if err != nil {
				t.Fatal(err)
			}
			s.takesTwo(t)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			g.at.Move(time.Now().Add(time.Minute), false)
			if err := s.Drain(ctx); err == nil || s.Pending() != 2 || len(b.calls) != 2 {
				t.Errorf("below a func %v: a drain does not wait: %v, %d pending, %d passed on", belowFunc, err, s.Pending(), len(b.calls))
			}
			g.at.Lose()
			for _, c := range b.calls {
				if c.Start(nil) {
					t.Error("it begins although the shard is another's")
				}
			}
			if s.Pending() != 0 {
				t.Errorf("%d are pending at the end", s.Pending())
			}
			if err := s.Unsubscribe(); err != nil {
				t.Error(err)
			}
			end(t, life, d)
		})
	}
}

// TestGoroutinesAreBounded: what goroutines pass on that outlive their handler is
// bounded as what is sent.
func TestGoroutinesAreBounded(t *testing.T) {
	passingOn(t, transport.Limits{MaxPending: 2}, func(pass transport.HandlerFunc, _ chan struct{}) transport.HandlerFunc {
		return func(ctx context.Context, env transport.Envelope) ([]byte, error) {
			go func() { // ends soon
				time.Sleep(time.Second)
				for i := range 10 {
					if _, err := pass(context.WithoutCancel(ctx), env); (err != nil) != (i >= 2) || err != nil && !errors.Is(err, outcome.ErrOverloaded) {
						t.Errorf("call %d of at most 2: %v", i, err)
					}
				}
			}()
			return nil, nil
		}
	}, func(s *Sub, _ *leasedFunc, b *book, _ chan struct{}) {
		s.Dispatch(NewCall(transport.Envelope{Delivery: transport.AwaitAccept}, &inbox{}, 0))
		pass(2 * time.Second)
		if s.Pending() != 2 {
			t.Errorf("%d are pending", s.Pending())
		}
		b.finish()
	})
}
