package dispatch

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// sub is a subscription of b's at a dispatcher that ends with the test.
func (b *book) sub(t *testing.T, limits transport.Limits) *Sub {
	t.Helper()
	d := NewDispatcher(limits, silent)
	s, err := d.Subscribe(t.Context(), whole(b))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestCallIsDecidedOnce races everything that may decide a call.
func TestCallIsDecidedOnce(t *testing.T) {
	b := &book{}
	s := b.sub(t, transport.Limits{})
	const calls = 2000
	for n := range calls {
		in := &inbox{}
		c := NewCall(transport.Envelope{Type: "Race"}, in, time.Hour)
		s.Dispatch(c)
		var left outcome.Outcome
		var leaves, started bool
		var all sync.WaitGroup
		all.Go(func() {
			if started = c.Start(nil); started {
				c.Reply([]byte("reply"), nil)
				c.End()
			}
		})
		all.Go(func() { left, leaves = c.Leave(context.Canceled) })
		all.Go(c.Expire)
		all.Go(func() { c.Refuse(outcome.New(outcome.ErrDraining)) })
		all.Go(func() {
			select {
			case <-c.Done():
			case <-time.After(time.Minute):
				t.Error("the context did not end")
			}
		})
		all.Wait()
		if got := in.count(); leaves && got != 0 || !leaves && got != 1 {
			t.Fatalf("call %d: left %v, and %d answers", n, leaves, got)
		}
		told := left
		if !leaves {
			told = outcome.Succeeded
			if e := in.only(); e != nil {
				told = e.Outcome
			}
		}
		if started == told.NeverRan() {
			t.Fatalf("call %d: started %v, and the caller was told %v", n, started, told)
		}
		if c.Err() == nil {
			t.Fatalf("call %d is decided and its context has no error", n)
		}
	}
	if b.finished.Load() != calls || b.started.Load() != b.ran.Load() || s.Pending() != 0 {
		t.Errorf("%d finished, %d started, %d of these finished, %d pending", b.finished.Load(), b.started.Load(), b.ran.Load(), s.Pending())
	}
}

func TestLateAnswer(t *testing.T) {
	b, in := &book{}, &inbox{}
	s := b.sub(t, transport.Limits{})
	c := NewCall(transport.Envelope{}, in, 0)
	s.Dispatch(c)
	c.Start(nil)
	c.End() // an actor that answers later
	if s.Pending() != 1 || in.count() != 0 {
		t.Fatalf("%d pending, %d answers", s.Pending(), in.count())
	}
	c.ReplyOwned([]byte("late"))
	c.Reply(nil, errors.New("too late"))
	c.Fail(outcome.New(outcome.ErrDraining))
	if e := in.only(); e != nil || in.replies[0] != "late" || !c.has(bitOwned) || s.Pending() != 0 || b.finished.Load() != 1 {
		t.Errorf("answer %q, %v, %d pending, finished %d times", in.replies, e, s.Pending(), b.finished.Load())
	}
}

func TestRefusalOfWhatHasStarted(t *testing.T) {
	b := &book{}
	s := b.sub(t, transport.Limits{})
	for started, want := range map[bool]outcome.Outcome{false: outcome.NotStarted, true: outcome.MaybeRan} {
		in := &inbox{}
		c := NewCall(transport.Envelope{}, in, 0)
		s.Dispatch(c)
		if started {
			c.Start(nil)
			defer c.End()
		}
		c.Refuse(outcome.New(outcome.ErrDraining))
		if e := in.only(); e.Outcome != want || !errors.Is(e, outcome.ErrDraining) {
			t.Errorf("started %v: refused with %v, %v", started, e, e.Outcome)
		}
		if again := c.Start(nil); again {
			t.Error("a refused call has started")
		}
	}
	in := &inbox{}
	c := NewCall(transport.Envelope{}, in, 0)
	s.Dispatch(c)
	c.Start(nil)
	c.Fail(outcome.New(outcome.ErrUnknownType)) // the handler knows that nothing ran
	c.End()
	if e := in.only(); e.Outcome != outcome.NotStarted {
		t.Errorf("Fail answers %v, want %v", e.Outcome, outcome.NotStarted)
	}
}

func TestAfterAnswer(t *testing.T) {
	b := &book{}
	s := b.sub(t, transport.Limits{})
	c := NewCall(transport.Envelope{}, &inbox{}, 0)
	s.Dispatch(c)
	var got []string
	c.AfterAnswer(func() { got = append(got, "first") })
	c.AfterAnswer(func() { got = append(got, "second") })
	c.Start(nil)
	c.Reply(nil, nil)
	c.End()
	c.AfterAnswer(func() { got = append(got, "at once") })
	if !slices.Equal(got, []string{"first", "second", "at once"}) {
		t.Errorf("called %q", got)
	}
}

func TestCallContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, in := &book{}, &inbox{}
		s := b.sub(t, transport.Limits{HandlerTimeout: time.Minute})
		c := NewCall(transport.Envelope{}, in, time.Second)
		s.Dispatch(c)
		c.Start(nil)
		if d, ok := c.Deadline(); !ok || time.Until(d) != time.Second {
			t.Errorf("deadline in %v, %v", time.Until(d), ok)
		}
		if CallFrom(context.WithValue(c, callKey{}, nil)) != nil || CallFrom(context.WithoutCancel(c)) != c || CallFrom(t.Context()) != nil {
			t.Error("CallFrom finds the wrong call")
		}
		child, cancel := context.WithCancel(c)
		defer cancel()
		pass(time.Second - 1)
		if c.Err() != nil || child.Err() != nil {
			t.Errorf("ended early: %v, %v", c.Err(), child.Err())
		}
		pass(1)
		if !errors.Is(c.Err(), context.DeadlineExceeded) || !errors.Is(child.Err(), context.DeadlineExceeded) {
			t.Errorf("at the deadline: %v, %v", c.Err(), child.Err())
		}
		if e := in.only(); !errors.Is(e, context.DeadlineExceeded) || e.Outcome != outcome.MaybeRan {
			t.Errorf("answered %v, %v", e, e.Outcome)
		}
		c.End()
	})
}

// TestWaitsOnSeveralGoroutines: a handler has its slot only while none of its
// goroutines waits for another call.
func TestWaitsOnSeveralGoroutines(t *testing.T) {
	d := NewDispatcher(transport.Limits{MaxConcurrentHandlers: 1}, silent)
	defer func() {
		if err := d.Close(); err != nil || d.life.busy.Load() != 0 {
			t.Errorf("%v, and %d calls are in flight at the end", err, d.life.busy.Load())
		}
	}()
	running := func(want int) {
		t.Helper()
		if got := d.life.pool.Stats().Running; got != want {
			t.Errorf("%d slots are taken, want %d", got, want)
		}
	}
	s, err := d.Subscribe(t.Context(), whole(d.ReceiverFunc(func(ctx context.Context, _ transport.Envelope) ([]byte, error) {
		if BeginWait(t.Context()) != (Wait{}) {
			t.Error("a context that is no handler's waits for a slot")
		}
		running(1)
		first, second := BeginWait(ctx), BeginWait(context.WithoutCancel(ctx))
		running(0)
		first.EndWait(context.Background())
		running(0)
		third := BeginWait(ctx)
		second.EndWait(context.Background())
		running(0)
		third.EndWait(context.Background())
		running(1)
		go BeginWait(ctx) // and never ends: the handler returns regardless
		for d.life.pool.Stats().Running == 1 {
			runtime.Gosched()
		}
		return nil, nil
	})))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := s.Do(t.Context(), transport.Envelope{}); err != nil {
			t.Fatal(err)
		}
	}
}

// goexit ends the goroutine that asks it for its text.
type goexit struct{}

func (goexit) Error() string { runtime.Goexit(); return "" }

// A call is answered whatever the handler's error does.
func TestErrorWhoseTextEndsTheGoroutine(t *testing.T) {
	d := NewDispatcher(transport.Limits{}, silent)
	defer d.Close()
	for _, h := range []transport.HandlerFunc{
		func(context.Context, transport.Envelope) ([]byte, error) { return nil, goexit{} },
		func(context.Context, transport.Envelope) ([]byte, error) {
			return nil, errors.Join(outcome.ErrDraining, goexit{})
		},
	} {
		sub, err := d.Subscribe(t.Context(), whole(d.ReceiverFunc(h)))
		if err != nil {
			t.Fatal(err)
		}
		_, err = sub.Do(t.Context(), transport.Envelope{Type: "T"})
		if outcome.Of(err) != outcome.RanAndFailed || !strings.Contains(err.Error(), "end their goroutine") {
			t.Errorf("%v (%v)", err, outcome.Of(err))
		}
	}
}
