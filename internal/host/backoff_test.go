package host_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/internal/host"
	"github.com/clstr-go/clstr/outcome"
)

// wantLater is want for a key that may not be tried again yet.
func (w *world) wantLater(key, typ, answer string) {
	w.Helper()
	for {
		got, err := w.send(key, typ).wait(w)
		if failed, ok := errors.AsType[*outcome.Error](err); ok && failed.RetryAfter > 0 {
			pass(failed.RetryAfter)
			continue
		}
		if got != answer || err != nil {
			w.Errorf("%q to %q: got %q, %v; want %q", typ, key, got, err, answer)
		}
		return
	}
}

// refused delivers to a key that refuses, and returns its error.
func (w *world) refused(key string) *outcome.Error {
	w.Helper()
	err := w.Deliver(0, key, newCall())
	failed, ok := errors.AsType[*outcome.Error](err)
	if !ok {
		w.Fatalf("a key that is not tried again yet says %v", err)
	}
	return failed
}

// TestOneFailureAnswersAllWhoWait: twenty callers behind an activation that takes a
// second to fail have their answer after a second, not the last after twenty.
func TestOneFailureAnswersAllWhoWait(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var tries atomic.Int32
		w := newWorld(t, host.Options{Factory: func(string) (host.Actor, error) {
			tries.Add(1)
			pass(time.Second)
			return nil, errBroken
		}})
		began := time.Now()
		var calls []*call
		for range 20 {
			calls = append(calls, w.send("k", ""))
		}
		notified := newCall()
		notified.notify = true
		w.deliver(0, "k", notified, host.Message{})
		gone := w.send("k", "")
		gone.cancel()
		for _, c := range append(calls, notified) {
			_, err := c.wait(t)
			failed, ok := errors.AsType[*outcome.Error](err)
			if !ok || failed.RetryAfter != 50*time.Millisecond || err.Error() != "activation failed: broken" {
				t.Errorf("a caller that waited got %v", err)
			}
			c.check(t)
		}
		if took := time.Since(began); took != time.Second || tries.Load() != 1 || gone.answers != 0 {
			t.Errorf("after %v and %d tries, %d answers to a caller that has gone", took, tries.Load(), gone.answers)
		}
		synctest.Wait()
		if n := w.Active(); n != 0 {
			t.Errorf("%d keys are active", n)
		}
	})
}

// TestAFailingKeyIsTriedLessAndLess: the pause doubles to 5 s, callers are told what
// is left of it and why, other keys are not concerned, and a success ends it.
func TestAFailingKeyIsTriedLessAndLess(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var tries atomic.Int32
		var works atomic.Bool
		w := newWorld(t, host.Options{Factory: func(key string) (host.Actor, error) {
			if key == "k" && !works.Load() {
				return nil, fmt.Errorf("try %d: %w", tries.Add(1), errBroken)
			}
			return &entity{}, nil
		}})
		for n, delay := 1, 50*time.Millisecond; n <= 10; n, delay = n+1, min(2*delay, 5*time.Second) {
			if _, err := w.send("k", "").wait(t); err == nil || err.Error() != fmt.Sprintf("activation failed: try %d: broken", n) {
				t.Errorf("try %d: %v", n, err)
			}
			synctest.Wait()
			pass(delay - 10*time.Millisecond)
			failed := w.refused("k")
			if failed.RetryAfter != 10*time.Millisecond || !errors.Is(failed, errBroken) || !strings.Contains(failed.Error(), "activation failed: the next attempt is in 10ms: try") {
				t.Errorf("after failure %d: %v, again after %v", n, failed, failed.RetryAfter)
			}
			w.want("another", "", "")
			pass(10 * time.Millisecond)
		}
		works.Store(true)
		w.want("k", "", "")
		stopped := w.Active()
		w.EndShard(t.Context(), 0, false)
		works.Store(false)
		if _, err := w.send("k", "").wait(t); !errors.Is(err, errBroken) {
			t.Error(err)
		}
		synctest.Wait()
		if failed := w.refused("k"); failed.RetryAfter != 50*time.Millisecond || stopped != 2 {
			t.Errorf("the first failure after a success: again after %v, want 50 ms", failed.RetryAfter)
		}
	})
}

// A failure of long ago does not make the next one's pause longer.
func TestAnOldFailureIsForgotten(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, host.Options{Factory: func(key string) (host.Actor, error) { return nil, errBroken }})
		for range 3 {
			_, _ = w.send("k", "").wait(t)
			synctest.Wait()
			if failed := w.refused("k"); failed.RetryAfter != 50*time.Millisecond {
				t.Errorf("again after %v, want 50 ms", failed.RetryAfter)
			}
			pass(time.Minute)
		}
	})
}

// TestMailWhileAFailedKeyEnds: what comes between the failure and the incarnation's
// end, which a child holds up here, does not begin another try at once.
func TestMailWhileAFailedKeyEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var tries atomic.Int32
		gate := make(chan struct{})
		child := pactor.PropsFromFunc(func(ctx pactor.Context) {
			if _, ok := ctx.Message().(*pactor.Stopping); ok {
				<-gate
			}
		})
		w := newWorld(t, host.Options{Factory: raw(func(ctx pactor.Context) {
			if _, ok := ctx.Message().(*pactor.Started); ok {
				tries.Add(1)
				ctx.Spawn(child)
				panic("broken")
			}
		})})
		if _, err := w.send("k", "").wait(t); !errors.Is(err, outcome.ErrActivationFailed) {
			t.Errorf("got %v", err)
		}
		synctest.Wait()
		var all []*call
		for range 10 {
			all = append(all, w.send("k", ""))
		}
		close(gate)
		for _, c := range all {
			_, err := c.wait(t)
			failed, ok := errors.AsType[*outcome.Error](err)
			if !ok || failed.Sentinel() != outcome.ErrActivationFailed || failed.RetryAfter <= 0 {
				t.Errorf("got %v", err)
			}
			c.check(t)
		}
		if n := tries.Load(); n != 1 {
			t.Errorf("%d tries within 50 ms", n)
		}
		synctest.Wait()
		if n := w.Active(); n != 0 {
			t.Errorf("%d keys are active", n)
		}
	})
}

// TestFailedKeysAreBounded: a store that is down fails every key there is.
func TestFailedKeysAreBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, host.Options{Factory: func(string) (host.Actor, error) { return nil, errBroken }})
		for i := range 3 * host.FailedKeys {
			_, _ = w.send(fmt.Sprint(i), "").wait(t)
		}
		if n := host.Failed(w.Host); n != host.FailedKeys {
			t.Errorf("%d failed keys are remembered, want %d", n, host.FailedKeys)
		}
	})
}
