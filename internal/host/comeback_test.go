package host_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/internal/host"
)

// hanger makes entities whose stop hooks may hang, and counts those of key
// "stuck" that live.
type hanger struct {
	live  atomic.Int32
	twice atomic.Bool
	hang  func(*host.Context)
}

func (h *hanger) factory() func(string) (host.Actor, error) {
	return making(func(key string) *entity {
		if key != "stuck" {
			return &entity{}
		}
		if h.live.Add(1) > 1 {
			h.twice.Store(true)
		}
		return &entity{passivate: func(c *host.Context) {
			h.hang(c)
			h.live.Add(-1)
		}}
	})
}

// endInVain ends shard 0 for a time that is not enough.
func (w *world) endInVain() {
	w.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := w.EndShard(ctx, 0, false)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), `key "stuck"`) {
		w.Errorf("EndShard while a hook hangs: %v", err)
	}
}

// TestShardComesBackWhileAKeyHangs: only that key is refused, until it has ended.
func TestShardComesBackWhileAKeyHangs(t *testing.T) {
	bubble(t, func(t *testing.T) {
		gate := make(chan struct{})
		h := &hanger{hang: func(*host.Context) { <-gate }}
		w := newWorld(t, host.Options{HookTimeout: -1, IdleAfter: time.Minute, CacheSize: 3, Factory: h.factory()})
		w.use(1, "other")
		before := w.processes()
		for _, key := range []string{"a", "stuck"} {
			w.want(key, "go", "")
		}
		w.endInVain()
		for range 3 { // it comes back, and goes
			w.refusedAsStuck("stuck")
			for _, key := range []string{"a", "b", "c", "d"} {
				w.want(key, "go", "")
			}
			w.refusedAsStuck("stuck")
			pass(10 * time.Minute)
			began := time.Now()
			w.endShard(0, false)
			if took := time.Since(began); took != 0 {
				t.Errorf("the next end has waited %v for a key that was waited for in vain", took)
			}
		}
		w.want("a", "go", "")
		close(gate)
		synctest.Wait()
		w.want("stuck", "go", "")
		if h.twice.Load() {
			t.Error("two incarnations of a key at once")
		}
		w.endShard(0, false)
		synctest.Wait()
		if n := w.processes(); n != before-1 { // other was idle
			t.Errorf("%d processes, %d before", n, before)
		}
	})
}

// TestKeyHangsTwice: each of its shard's former tables may still have a key.
func TestKeyHangsTwice(t *testing.T) {
	bubble(t, func(t *testing.T) {
		gates := map[string]chan struct{}{"stuck": make(chan struct{}), "stuck too": make(chan struct{})}
		w := newWorld(t, host.Options{HookTimeout: -1, Factory: making(func(key string) *entity {
			return &entity{passivate: func(*host.Context) {
				if gate := gates[key]; gate != nil {
					<-gate
				}
			}}
		})})
		w.want("stuck", "go", "")
		w.endInVain()
		w.want("stuck too", "go", "")
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := w.EndShard(ctx, 0, false); err == nil || strings.Count(err.Error(), "key") != 1 {
			t.Errorf("EndShard while another hook hangs: %v", err)
		}
		w.want("k", "go", "")
		w.refusedAsStuck("stuck")
		w.refusedAsStuck("stuck too")
		close(gates["stuck"])
		synctest.Wait()
		w.want("stuck", "go", "")
		w.refusedAsStuck("stuck too")
		over, cancel := context.WithCancel(context.Background())
		cancel()
		if err := w.Stop(over); err == nil || !strings.Contains(err.Error(), "stuck too") {
			t.Errorf("Stop while a key of a former table hangs: %v", err)
		}
		close(gates["stuck too"])
	})
}

// TestHookOutlivesTheWaitForIt: another node serves the shard then, and what heeds
// its context does not write beside it.
func TestHookOutlivesTheWaitForIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := &hanger{hang: func(c *host.Context) { <-c.Done() }}
		w := newWorld(t, host.Options{HookTimeout: -1, Factory: h.factory()})
		w.want("stuck", "go", "")
		w.endInVain()
		w.endShard(0, true) // waits for what is left
		w.want("stuck", "go", "")
		if h.twice.Load() {
			t.Error("two incarnations of a key at once")
		}
		w.endInVain()
	})
}
