package dispatch

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/internal/expiry"
	"github.com/clstr-go/clstr/internal/standing"
	"github.com/clstr-go/clstr/internal/turn"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// turnCtx is the context that a receiver gives to the code of a turn: it has a gate, as that of package host has.
type turnCtx struct {
	turn.Gate
	*Call
}

func (c *turnCtx) Value(key any) any {
	if key == (turn.GateKey{}) {
		return &c.Gate
	}
	return c.Call.Value(key)
}

// asker is a receiver of calls on a goroutine of their own: one with data asks the subscription again, without data.
type asker struct {
	sub   *Sub
	asks  func(ctx context.Context, sub *Sub) error // of a call with data
	line  func(*Call)                               // before one without starts
	leaf  func(*Call)                               // before the answer to one without
	mu    sync.Mutex
	spent map[bool]bool // whether the last call may be used again, by whether it had asked
	over  sync.WaitGroup
}

// Accept implements [Receiver].
func (a *asker) Accept(c *Call) {
	a.over.Go(func() {
		outer := len(c.Envelope().Data) > 0
		if a.line != nil && !outer {
			a.line(c)
		}
		if !c.Start(slotless{}) {
			return
		}
		ctx := &turnCtx{Call: c}
		var err error
		if outer {
			err = a.asks(ctx, a.sub)
		} else if a.leaf != nil {
			a.leaf(c)
		}
		c.Reply(nil, err)
		spent := Spent(c) != nil && turn.Shut(&ctx.Gate)
		a.mu.Lock()
		a.spent[outer] = spent
		a.mu.Unlock()
		if spent {
			EndLast(c)
		} else {
			c.End()
		}
	})
}

// slotless is a slot of a pool without a limit.
type slotless struct{}

func (slotless) Leave()                {}
func (slotless) Enter(context.Context) {}

func newAsker(t *testing.T, st *standing.Standing) *asker {
	t.Helper()
	d := NewDispatcher(transport.Limits{}, silent)
	a := &asker{spent: map[bool]bool{}, asks: func(ctx context.Context, sub *Sub) error {
		_, err := sub.Do(ctx, transport.Envelope{})
		return err
	}}
	to := whole(a)
	to.Standing = st
	var err error
	if a.sub, err = d.Subscribe(context.Background(), to); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		a.over.Wait()
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

// TestNestedCallsAreUsedAgain: the call that a turn waits for, and the call whose turn waits, unless code may have kept
// one of them.
func TestNestedCallsAreUsedAgain(t *testing.T) {
	ask := func(ctx context.Context, sub *Sub) error {
		_, err := sub.Do(ctx, transport.Envelope{})
		return err
	}
	for what, c := range map[string]struct {
		asks  func(context.Context, *Sub) error
		outer bool
	}{
		"asks":  {ask, true},
		"twice": {func(ctx context.Context, sub *Sub) error { return errors.Join(ask(ctx, sub), ask(ctx, sub)) }, true},
		"with a context of its own": {func(ctx context.Context, sub *Sub) error {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			return ask(ctx, sub)
		}, true},
		"with one that it keeps": {func(ctx context.Context, sub *Sub) error {
			ctx, cancel := context.WithTimeout(ctx, time.Hour)
			context.AfterFunc(ctx, cancel)
			return ask(ctx, sub)
		}, true},
		"looks at headers": {func(ctx context.Context, sub *Sub) error { HeadersOf(ctx); return ask(ctx, sub) }, true},
		"keeps its call":   {func(ctx context.Context, sub *Sub) error { CallFrom(ctx); return ask(ctx, sub) }, false},
		"watches its end":  {func(ctx context.Context, sub *Sub) error { ctx.Done(); return ask(ctx, sub) }, true},
	} {
		moving, _ := leased()
		for where, st := range map[string]*standing.Standing{"": nil, ", in a shard that may move": moving} {
			a := newAsker(t, st)
			a.asks = c.asks
			if _, err := a.sub.Do(context.Background(), transport.Envelope{Data: []byte("asks")}); err != nil {
				t.Errorf("%s%s: %v", what, where, err)
			}
			a.over.Wait()
			if !a.spent[false] || a.spent[true] != c.outer {
				t.Errorf("%s%s: the nested call may be used again: %v, the other: %v", what, where, a.spent[false], a.spent[true])
			}
			if turns, calls := turn.Known(); turns != 0 || calls != 0 || a.sub.Pending() != 0 || a.sub.hearers.calls.Len() != 0 {
				t.Errorf("%s%s: left are %d turns, %d calls of theirs, %d pending and %d that hear of the end", what, where, turns, calls, a.sub.Pending(), a.sub.hearers.calls.Len())
			}
		}
	}
}

// TestAWaitBesideTheTurn: a call is not used again while a goroutine of its turn still waits with its context.
func TestAWaitBesideTheTurn(t *testing.T) {
	a := newAsker(t, nil)
	var w Wait
	var of context.Context
	a.asks = func(ctx context.Context, _ *Sub) error {
		w, of = BeginWait(ctx), ctx
		return nil
	}
	if _, err := a.sub.Do(context.Background(), transport.Envelope{Data: []byte("asks")}); err != nil {
		t.Error(err)
	}
	a.over.Wait()
	if a.spent[true] {
		t.Error("the call may be used again")
	}
	w.EndWait(of)
	if n := a.sub.Pending(); n != 0 {
		t.Errorf("%d calls are pending", n)
	}
}

// TestDeadlineOfATurn: the moment is the same, whether it is taken from the call or from a context made from its own.
func TestDeadlineOfATurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAsker(t, nil)
		a.asks = func(ctx context.Context, _ *Sub) error {
			derived := context.WithValue(ctx, turnCtx{}, "")
			of, ok := ctx.Deadline()
			if at := expiry.At(of); !ok || deadlineOf(ctx) != at || deadlineOf(derived) != at || !HasDeadline(ctx) {
				t.Errorf("%d, from the context %d, from one made of it %d", at, deadlineOf(ctx), deadlineOf(derived))
			}
			if left := time.Until(of); left != time.Second {
				t.Errorf("%v left", left)
			}
			if ctx = context.WithoutCancel(ctx); HasDeadline(ctx) {
				t.Error("a context without an end has a deadline")
			}
			return nil
		}
		if _, err := a.sub.Do(context.Background(), transport.Envelope{Data: []byte("asks"), TTLMs: 1000}); err != nil {
			t.Error(err)
		}
		a.over.Wait()
		if !a.spent[true] {
			t.Error("the call may not be used again")
		}
	})
}

// TestANestedCallEndsWithTheOther: a turn that waits goes on when its own call has ended, in each way.
func TestANestedCallEndsWithTheOther(t *testing.T) {
	for what, end := range map[string]func(cancel func(), sub *Sub){
		"its sender leaves":   func(cancel func(), _ *Sub) { cancel() },
		"the handler's limit": func(func(), *Sub) { time.Sleep(DefaultHandlerTimeout) },
		"the shard is lost":   func(_ func(), sub *Sub) { sub.standing.Lose(); sub.standing.Cut(); sub.Lapse() },
	} {
		synctest.Test(t, func(t *testing.T) {
			st, _ := leased()
			a := newAsker(t, st)
			hold := make(chan struct{})
			a.leaf = func(*Call) { <-hold }
			nested := make(chan error, 1)
			a.asks = func(ctx context.Context, sub *Sub) error {
				_, err := sub.Do(ctx, transport.Envelope{})
				nested <- err
				return err
			}
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			answer := make(chan error, 1)
			go func() { // ends with the call
				_, err := a.sub.Do(ctx, transport.Envelope{Data: []byte("asks"), TTLMs: time.Hour.Milliseconds()})
				answer <- err
			}()
			synctest.Wait()
			end(cancel, a.sub)
			synctest.Wait()
			select {
			case err := <-nested:
				if err == nil {
					t.Errorf("%s: the nested call has a reply", what)
				}
			default:
				t.Errorf("%s: the turn waits on", what)
			}
			close(hold)
			if err := <-answer; outcome.Of(err) != outcome.MaybeRan {
				t.Errorf("%s: the call ends with %v", what, err)
			}
			a.over.Wait()
			if a.spent[true] {
				t.Errorf("%s: the call may be used again", what)
			}
			if n := a.sub.hearers.calls.Len(); n != 0 {
				t.Errorf("%s: %d calls hear of the end", what, n)
			}
		})
	}
}

// TestAContextOfTheHandlersOwn: a nested call ends with the context that it was made with. That may go on when its
// turn's call has ended.
func TestAContextOfTheHandlersOwn(t *testing.T) {
	a := newAsker(t, nil)
	ctx, cancel := context.WithCancel(context.Background())
	left := make(chan struct{})
	var over atomic.Bool
	a.leaf = func(*Call) {
		cancel()
		<-left // the sender of the other call has gone
		over.Store(true)
	}
	a.asks = func(ctx context.Context, sub *Sub) error {
		_, err := sub.Do(context.WithoutCancel(ctx), transport.Envelope{})
		if err != nil || !over.Load() || ctx.Err() == nil {
			t.Errorf("the nested call ends with %v, and its turn's call with %v", err, ctx.Err())
		}
		return nil
	}
	if _, err := a.sub.Do(ctx, transport.Envelope{Data: []byte("asks")}); outcome.Of(err) != outcome.MaybeRan {
		t.Errorf("got %v", err)
	}
	close(left)
}

// TestOneSignalOfTwo: the reply of a nested call and the end of its turn's call come at one moment, again and again. No
// signal of one wait may end the next.
func TestOneSignalOfTwo(t *testing.T) {
	a := newAsker(t, nil)
	for n := range 2000 {
		ctx, cancel := context.WithCancel(context.Background())
		at := make(chan struct{})
		a.leaf = func(*Call) { close(at) }
		var left sync.WaitGroup
		left.Go(func() {
			<-at
			cancel()
		})
		_, _ = a.sub.Do(ctx, transport.Envelope{Data: []byte("asks")})
		left.Wait()
		a.over.Wait()
		replied := false
		a.leaf = func(*Call) { replied = true }
		if _, err := a.sub.Do(context.Background(), transport.Envelope{Data: []byte("asks")}); err != nil || !replied {
			t.Fatalf("after %d times a call ends before its nested call has, with %v", n, err)
		}
		a.over.Wait()
	}
	for range 100 {
		if w, ok := a.sub.d.waits.Get().(chan struct{}); ok && len(w) > 0 {
			t.Fatal("a signal is left")
		}
		if c := a.sub.d.spare.get(); c != nil && len(c.replier.(*local).wait) > 0 {
			t.Fatal("a signal is left")
		}
	}
}
