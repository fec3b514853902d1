package dispatch

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// lasting is a receiver whose handler lasts as long as a message says. It keeps nothing of a call.
type lasting struct {
	mu    sync.Mutex
	calls []*Call
	ended []time.Duration // when the contexts of its calls have ended, since the bubble began
}

// sender sends an envelope, and waits for what its delivery names.
type sender func(*testing.T, *Sub, transport.Envelope) error

// eachWay runs a test with calls of this process, and with calls from afar.
func eachWay(t *testing.T, test func(*testing.T, sender)) {
	t.Run("of this process", func(t *testing.T) {
		test(t, func(t *testing.T, s *Sub, env transport.Envelope) error { _, err := s.Do(t.Context(), env); return err })
	})
	t.Run("from afar", func(t *testing.T) {
		test(t, func(_ *testing.T, s *Sub, env transport.Envelope) error { return doFar(s.d, s, env) })
	})
}

var bubbleStart = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// Accept implements [Receiver].
func (r *lasting) Accept(c *Call) {
	r.mu.Lock()
	r.calls = append(r.calls, c)
	r.mu.Unlock()
	go func() { // ends with the call
		if !c.Start(nil) {
			return
		}
		switch last, _ := time.ParseDuration(c.Envelope().Type); {
		case last == time.Second:
			<-time.After(last) // and looks at nothing
		case last > 0:
			select {
			case <-time.After(last):
			case <-c.Done():
				r.mu.Lock()
				r.ended = append(r.ended, time.Since(bubbleStart))
				r.mu.Unlock()
			}
		}
		c.Reply(nil, nil)
		if Spent(c) != nil {
			EndLast(c)
		} else {
			c.End()
		}
	}()
}

// TestACallThatIsUsedAgainHasItsOwnTime: the clock looks at a call at the moment of the call before it, and ends it at its own.
func TestACallThatIsUsedAgainHasItsOwnTime(t *testing.T) {
	const wait, note = transport.AwaitReply, transport.AwaitNothing
	eachWay(t, func(t *testing.T, do sender) {
		for what, c := range map[string]struct {
			delivery      transport.Delivery
			before, ttlMs int64
			limit, ends   time.Duration // of a call that begins after 10 s
		}{
			"a later end":                       {wait, 30_000, 30_000, time.Hour, 40 * time.Second},
			"an earlier end":                    {wait, 30_000, 1_000, time.Hour, 11 * time.Second},
			"before the clock looks":            {wait, 12_000, 30_000, time.Hour, 40 * time.Second},
			"the limit of handlers":             {wait, 30_000, 60_000, 30 * time.Second, 40 * time.Second},
			"the limit, before the clock looks": {wait, 30_000, 60_000, 12 * time.Second, 22 * time.Second},
			"a notification":                    {note, 30_000, 0, 25 * time.Second, 35 * time.Second},
			"a notification, by its TTL":        {note, 30_000, 15_000, 25 * time.Second, 25 * time.Second},
		} {
			synctest.Test(t, func(t *testing.T) {
				d := NewDispatcher(transport.Limits{HandlerTimeout: c.limit}, silent)
				r := &lasting{}
				s, err := d.Subscribe(t.Context(), whole(r))
				if err != nil {
					t.Fatal(err)
				}
				if err := do(t, s, transport.Envelope{TTLMs: c.before}); err != nil {
					t.Error(err)
				}
				<-time.After(10 * time.Second)
				err = do(t, s, transport.Envelope{Type: "24h", Delivery: c.delivery, TTLMs: c.ttlMs})
				if asks := c.delivery == wait; (err != nil) != asks || asks && outcome.Of(err) != outcome.MaybeRan {
					t.Errorf("%s: %v", what, err)
				}
				<-time.After(time.Hour)
				r.mu.Lock()
				defer r.mu.Unlock()
				if len(r.calls) != 2 || r.calls[0] != r.calls[1] {
					t.Errorf("%s: the call was not used again", what)
				}
				if len(r.ended) != 1 || r.ended[0] != c.ends {
					t.Errorf("%s: ended after %v, want %v", what, r.ended, c.ends)
				}
				if err := d.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	})
}

// TestTheClockKeepsNoCall that is not used again, whatever its time was, and none of a peak for long.
func TestTheClockKeepsNoCall(t *testing.T) {
	eachWay(t, func(t *testing.T, do sender) {
		synctest.Test(t, func(t *testing.T) {
			d := NewDispatcher(transport.Limits{}, silent)
			var calls []*Call
			r := &reuser{}
			s, err := d.Subscribe(t.Context(), whole(r))
			if err != nil {
				t.Fatal(err)
			}
			for _, what := range []func(*Call){
				func(c *Call) { CallFrom(c) },
				func(c *Call) { c.Done() },
				func(c *Call) { c.Reply(nil, context.Canceled) },
				func(c *Call) { c.refuse(outcome.New(outcome.ErrHandlerTimeout), late) },
				func(c *Call) { c.OnDrain(func() {}) },
				func(c *Call) { c.bits.Or(bitKept) },
			} {
				r.do = func(c *Call) { calls = append(calls, c); what(c) }
				_ = do(t, s, transport.Envelope{TTLMs: 1 << 30})
				_ = do(t, s, transport.Envelope{Delivery: transport.AwaitNothing})
			}
			last, err := d.Subscribe(t.Context(), whole(accept(func(c *Call) {
				c.Start(nil)
				c.Reply(nil, nil)
				Spent(c)
				c.bits.Or(bitKept) // the clock looks
				EndLast(c)
				calls = append(calls, c)
			})))
			if err != nil {
				t.Fatal(err)
			}
			_ = do(t, last, transport.Envelope{TTLMs: 1 << 30})
			for i, c := range calls {
				if d.clock.Remove(&c.node) {
					t.Errorf("the clock has call %d", i)
				}
			}
			l := &lasting{}
			if s, err = d.Subscribe(t.Context(), whole(l)); err != nil {
				t.Fatal(err)
			}
			var peak sync.WaitGroup
			for range 100 {
				peak.Go(func() { _ = do(t, s, transport.Envelope{Type: "1s"}) })
			}
			peak.Wait()
			kept := func() int {
				synctest.Wait()
				n := 0
				for _, s := range []*spares{&d.spare, &d.far} {
					s.mu.Lock()
					n += len(s.calls)
					s.mu.Unlock()
				}
				return n
			}
			if n := kept(); n != 100 {
				t.Errorf("%d calls are kept, want 100", n)
			}
			<-time.After(DefaultRequestTimeout)
			if n := kept(); n != 0 {
				t.Errorf("%d calls of a peak are kept", n)
			}
			for i, c := range l.calls {
				if d.clock.Remove(&c.node) {
					t.Errorf("the clock has call %d of a peak", i)
				}
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
	})
}

// TestMostCallsAreNotKept: a peak beyond what is kept is dropped, and the clock forgets it.
func TestMostCallsAreNotKept(t *testing.T) {
	d := NewDispatcher(transport.Limits{}, silent)
	s, err := d.Subscribe(t.Context(), whole(&reuser{}))
	if err != nil {
		t.Fatal(err)
	}
	for range mostSpare {
		c := &Call{}
		c.home = &d.spare
		d.spare.put(c)
	}
	one := &local{}
	one.home, one.replier = &d.spare, one
	one.sub = s
	(*timed)(&one.Call).endAt(1 << 60)
	one.Reuse()
	d.spare.takeBack(&one.Call)
	if d.clock.Remove(&one.node) || len(d.spare.calls) != mostSpare {
		t.Error("one more is kept")
	}
}

// accept is a receiver.
type accept func(*Call)

func (f accept) Accept(c *Call) { f(c) }

// TestTheClockLooksWhileCallsAreUsedAgain: it ends none that has time, at whatever moment it looks.
func TestTheClockLooksWhileCallsAreUsedAgain(t *testing.T) {
	eachWay(t, func(t *testing.T, do sender) {
		d := NewDispatcher(transport.Limits{}, silent)
		var seen [8]atomic.Pointer[Call] // some of the calls
		n := atomic.Uint32{}
		s, err := d.Subscribe(t.Context(), whole(accept(func(c *Call) {
			seen[n.Add(1)%uint32(len(seen))].Store(c)
			(&reuser{}).Accept(c)
		})))
		if err != nil {
			t.Fatal(err)
		}
		over := make(chan struct{})
		var callers, clock sync.WaitGroup
		for range 2 {
			clock.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-over:
						return
					default:
					}
					if c := seen[i%len(seen)].Load(); c != nil {
						(*timed)(c).Expire()
					}
					runtime.Gosched()
				}
			})
		}
		for caller := range 4 {
			callers.Go(func() {
				for i := range 2000 {
					env := transport.Envelope{Type: fmt.Sprint(caller), Data: []byte{byte(i)}}
					if i%3 == 0 {
						env.Delivery = transport.AwaitNothing
					}
					if i%4 == 1 {
						env.TTLMs = 1 // it may end, and no other with it
					}
					if err := do(t, s, env); err != nil && (env.TTLMs == 0 || !errors.Is(err, outcome.ErrEnvelopeExpired) && !errors.Is(err, context.DeadlineExceeded)) {
						t.Errorf("call %d of caller %d: %v", i, caller, err)
						return
					}
				}
			})
		}
		callers.Wait()
		close(over)
		clock.Wait()
		if n := s.Pending(); n != 0 {
			t.Errorf("%d calls are pending", n)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
}
