package host_test

import (
	"testing"
	"testing/synctest"
	"time"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/internal/host"
)

// later is an actor that answers "late" messages when the test says so.
type later struct {
	answer chan struct{}
	ended  chan string // keys whose stop hooks have run
}

// lateKinds are the ways to answer later.
var lateKinds = map[string]func(l *later) func(string) (host.Actor, error){
	"ReenterAfter": func(l *later) func(string) (host.Actor, error) {
		return l.raw(func(ctx pactor.Context) {
			f := pactor.NewFuture(ctx.ActorSystem(), 24*time.Hour)
			go func() { // ends with the answer
				<-l.answer
				ctx.ActorSystem().Root.Send(f.PID(), "go on")
			}()
			ctx.ReenterAfter(f, func(any, error) { ctx.Respond([]byte("late")) })
		})
	},
	"kept sender": func(l *later) func(string) (host.Actor, error) {
		return l.raw(func(ctx pactor.Context) {
			sender, root := ctx.Sender(), ctx.ActorSystem().Root
			go func() { // ends with the answer
				<-l.answer
				root.Send(sender, []byte("late"))
			}()
		})
	},
	"kept Call": func(l *later) func(string) (host.Actor, error) {
		return making(func(string) *entity {
			return &entity{
				handle: func(c *host.Context) {
					if c.Message().Type != "late" {
						c.Call().Reply(nil, nil)
						return
					}
					go func() { // ends with the answer
						<-l.answer
						c.Call().Reply([]byte("late"), nil)
					}()
				},
				passivate: func(c *host.Context) { l.ended <- c.Key() },
			}
		})
	},
}

func (l *later) raw(late func(pactor.Context)) func(string) (host.Actor, error) {
	return func(key string) (host.Actor, error) {
		return pactor.ReceiveFunc(func(ctx pactor.Context) {
			switch ctx.Message().(type) {
			case *host.Message:
				if typ(ctx) == "late" {
					late(ctx)
				} else {
					ctx.Respond(nil)
				}
			case *pactor.Stopped:
				l.ended <- key
			}
		}), nil
	}
}

// inEachLateKind runs f in a bubble for each way to answer later.
func inEachLateKind(t *testing.T, opts host.Options, f func(t *testing.T, w *world, l *later)) {
	for name, kind := range lateKinds {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				l := &later{answer: make(chan struct{}), ended: make(chan string, 100)}
				opts.Factory = kind(l)
				f(t, newWorld(t, opts), l)
			})
		})
	}
}

// TestAnOpenAnswerKeepsAKey: the least recently used that has answered goes, and
// the one that owes an answer when it has given it.
func TestAnOpenAnswerKeepsAKey(t *testing.T) {
	inEachLateKind(t, host.Options{CacheSize: 1}, func(t *testing.T, w *world, l *later) {
		first, second := w.send("owes", "late"), w.send("owes", "late")
		synctest.Wait()
		for _, key := range []string{"a", "b", "c"} {
			w.want(key, "go", "")
			synctest.Wait()
			if w.Active() != 1 || len(l.ended) != 1 {
				t.Fatalf("%d active, %d ended", w.Active(), len(l.ended))
			}
			if ended := <-l.ended; ended != key {
				t.Errorf("%q was stopped, want %q", ended, key)
			}
		}
		l.answer <- struct{}{}
		synctest.Wait()
		w.want("d", "go", "")
		synctest.Wait()
		if ended := <-l.ended; ended != "d" {
			t.Errorf("%q was stopped, which still owes an answer", ended)
		}
		l.answer <- struct{}{}
		for _, c := range []*call{first, second} {
			if got, err := c.settled(t); got != "late" || err != nil {
				t.Errorf("got %q, %v", got, err)
			}
			c.check(t)
		}
		synctest.Wait() // or the turn that has answered would not be over yet, and the other go in its place
		w.want("e", "go", "")
		synctest.Wait()
		if ended := <-l.ended; ended != "owes" {
			t.Errorf("%q was stopped, want the one that has answered", ended)
		}
	})
}

// TestAnAnswerFreesAKeyOverTheBound: while all keys owe answers the host is over
// its bound, and each that answers goes.
func TestAnAnswerFreesAKeyOverTheBound(t *testing.T) {
	inEachLateKind(t, host.Options{CacheSize: 2}, func(t *testing.T, w *world, l *later) {
		var calls []*call
		for _, key := range []string{"a", "b", "c", "d", "e"} {
			calls = append(calls, w.send(key, "late"))
		}
		synctest.Wait()
		for left := 5; left > 0; left-- {
			if n := w.Active(); n != max(left, 2) {
				t.Errorf("%d active while %d owe answers", n, left)
			}
			l.answer <- struct{}{}
			synctest.Wait()
		}
		for _, c := range calls {
			if _, err := c.settled(t); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestAnOpenAnswerIsNotIdle: the idle time begins with the answer.
func TestAnOpenAnswerIsNotIdle(t *testing.T) {
	const d = 8 * time.Minute
	inEachLateKind(t, host.Options{IdleAfter: d}, func(t *testing.T, w *world, l *later) {
		c := w.send("k", "late")
		pass(10 * d)
		if w.Active() != 1 {
			t.Fatal("passivated before it has answered")
		}
		l.answer <- struct{}{}
		if got, err := c.settled(t); got != "late" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		answered := time.Now()
		<-l.ended
		if idle := time.Since(answered); idle > d+d/8 {
			t.Errorf("passivated %v after the answer", idle)
		}
	})
}

// TestAForgottenAnswerDoesNotKeepAKey: when the call has ended otherwise, as at
// its deadline, nothing is owed.
func TestAForgottenAnswerDoesNotKeepAKey(t *testing.T) {
	inEachLateKind(t, host.Options{CacheSize: 1}, func(t *testing.T, w *world, l *later) {
		c := w.send("k", "late")
		<-c.ended
		c.Reply(nil, errBroken) // as a deadline does
		synctest.Wait()         // or its turn would not be over yet, and the other go in its place
		w.want("other", "go", "")
		synctest.Wait()
		if len(l.ended) != 1 || <-l.ended != "k" {
			t.Error("the key is kept for an answer that nobody waits for")
		}
		close(l.answer)
		synctest.Wait()
	})
}
