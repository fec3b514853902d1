package dispatch

import (
	"context"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/clstr-go/clstr/transport"
)

// one is a dispatcher with a single slot, and a subscription whose handlers are
// the funcs by message type.
func one(t *testing.T, handlers map[string]transport.HandlerFunc) (d *Dispatcher, send func(msgType string)) {
	d = NewDispatcher(transport.Limits{MaxConcurrentHandlers: 1}, silent)
	s, err := d.Subscribe(t.Context(), whole(d.ReceiverFunc(func(ctx context.Context, env transport.Envelope) ([]byte, error) {
		return handlers[env.Type](ctx, env)
	})))
	if err != nil {
		t.Fatal(err)
	}
	return d, func(msgType string) {
		s.Dispatch(NewCall(transport.Envelope{Type: msgType, Delivery: transport.AwaitNothing}, nil, 0))
	}
}

// TestSlotOfAHandlerThatHasEnded: a goroutine of the handler's that gets the
// slot back when the handler has returned meanwhile gives it away again.
func TestSlotOfAHandlerThatHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		waits, goOn, back := make(chan struct{}), make(chan struct{}), make(chan struct{})
		end, release := make(chan struct{}), make(chan struct{})
		d, send := one(t, map[string]transport.HandlerFunc{
			"wait": func(ctx context.Context, _ transport.Envelope) ([]byte, error) {
				go func() {
					w := BeginWait(ctx)
					close(waits)
					<-goOn
					w.EndWait(ctx)
					close(back)
				}()
				<-waits
				<-end
				return nil, nil
			},
			"occupy": func(context.Context, transport.Envelope) ([]byte, error) {
				<-release
				return nil, nil
			},
		})
		send("wait")
		synctest.Wait()
		send("occupy") // in the slot that the first has left
		synctest.Wait()
		close(goOn) // the goroutine wants the slot back
		synctest.Wait()
		close(end) // and its handler returns, which needs one too
		synctest.Wait()
		close(release)
		<-back
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if n := d.life.pool.Stats().Running; n != 0 {
			t.Errorf("%d slots are taken after the end", n)
		}
	})
}

// TestSlotWhileAnotherGoroutineWaits: of two goroutines of a handler's, the one
// that comes back while the other waits does without the slot, which what the
// other waits for may need.
func TestSlotWhileAnotherGoroutineWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second, end := make(chan struct{}), make(chan struct{}), make(chan struct{})
		beginSecond, release := make(chan struct{}), make(chan struct{})
		d, send := one(t, map[string]transport.HandlerFunc{
			"wait": func(ctx context.Context, _ transport.Envelope) ([]byte, error) {
				var wg sync.WaitGroup
				wg.Go(func() {
					w := BeginWait(ctx)
					<-first
					w.EndWait(ctx)
				})
				wg.Go(func() {
					<-beginSecond
					w := BeginWait(ctx)
					<-second
					w.EndWait(ctx)
				})
				wg.Wait()
				close(end)
				return nil, nil
			},
			"occupy": func(context.Context, transport.Envelope) ([]byte, error) {
				<-release
				return nil, nil
			},
			"answer": func(context.Context, transport.Envelope) ([]byte, error) {
				close(second)
				return nil, nil
			},
		})
		send("wait")
		synctest.Wait()
		send("occupy")
		synctest.Wait()
		close(first) // it wants the slot back, which is occupied
		synctest.Wait()
		close(beginSecond)
		synctest.Wait()
		close(release)
		synctest.Wait()
		send("answer") // what the second goroutine waits for
		<-end
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestDecidedBeforeItsHandlerIsWatched: a call that is answered while it starts
// is not kept until the handler timeout.
func TestDecidedBeforeItsHandlerIsWatched(t *testing.T) {
	s := (&book{}).sub(t, transport.Limits{HandlerTimeout: time.Hour})
	s.to.Receiver = receiverFunc(func(*Call) {}) // keeps none
	kept := func() weak.Pointer[Call] {
		c := NewCall(transport.Envelope{}, &inbox{}, 0)
		s.Dispatch(c)
		c.Start(nil)
		c.Reply(nil, nil)
		(*timed)(c).endAt(c.runUntil) // as if Start came to it only now
		c.End()
		return weak.Make(c)
	}()
	runtime.GC()
	if kept.Value() != nil {
		t.Error("a call that has finished is kept")
	}
}

// What is said at the end of a subscription where one handler goes on, and four calls
// wait behind it: these are no handlers.
func TestWordsOfCallsThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDispatcher(transport.Limits{MaxConcurrentHandlers: 1, HandlerTimeout: time.Second}, silent)
		hold := make(chan struct{})
		s, err := d.Subscribe(t.Context(), whole(d.ReceiverFunc(func(context.Context, transport.Envelope) ([]byte, error) { <-hold; return nil, nil })))
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			s.Dispatch(NewCall(transport.Envelope{Type: "t"}, &inbox{}, time.Hour))
		}
		if err := s.Unsubscribe(); err == nil || !strings.HasSuffix(err.Error(), "5 calls have not finished: handlers ignore the end of their context") {
			t.Errorf("%v", err)
		}
		close(hold)
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestAWaitThatBeginsAtTheEnd: a goroutine of a handler's begins to wait at the moment at which the handler returns, or
// later. Slot and room are given back once.
func TestAWaitThatBeginsAtTheEnd(t *testing.T) {
	var asks sync.WaitGroup
	d, send := one(t, map[string]transport.HandlerFunc{
		"wait": func(ctx context.Context, _ transport.Envelope) ([]byte, error) {
			returns := make(chan struct{})
			asks.Go(func() {
				<-returns
				BeginWait(ctx) // and never ends
			})
			close(returns)
			return nil, nil
		},
	})
	asks.Add(1) // until all are sent
	for range 500 {
		send("wait")
	}
	d.life.pool.Close()
	asks.Done()
	asks.Wait()
	if n, busy := d.life.pool.Stats().Running, d.life.busy.Load(); n != 0 || busy != 0 {
		t.Errorf("%d slots are taken, and %d calls in flight, after the end", n, busy)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}
