package host_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/internal/host"
)

// TestIdleKeysKeepTheirStateWithoutTheLease: their stop hooks could not save it,
// and nobody takes the shard while the store is away. One that asks to go, goes.
func TestIdleKeysKeepTheirStateWithoutTheLease(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const d = 8 * time.Minute
		var lease lease
		l := &leaver{}
		w := newWorld(t, host.Options{IdleAfter: d, Factory: l.factory(), Lapsed: lease.lapsed})
		w.want("a", "go", "done")
		w.want("b", "go", "done")
		lease.over.Store(true)
		pass(10 * d)
		if n := l.ended.Load(); n != 0 {
			t.Errorf("%d keys were passivated without the lease", n)
		}
		w.want("a", "leave", "done")
		synctest.Wait()
		if n, active := l.ended.Load(), w.Active(); n != 0 || active != 1 {
			t.Errorf("%d stop hooks, %d active; want none, and the key gone that has asked for it", n, active)
		}
		lease.over.Store(false)
		pass(d / idleSteps)
		synctest.Wait()
		if n, lost := l.ended.Load(), l.lost.Load(); n != 1 || lost != 0 {
			t.Errorf("after the lease is back: %d stop hooks, %d of them with a context that had ended; want 1 and 0", n, lost)
		}
	})
}

// idleSteps is in how many steps idle time is measured.
const idleSteps = 8

// TestBoundWithoutTheLease: keys of a shard that may be another's are not
// passivated to make room, and others are in their place.
func TestBoundWithoutTheLease(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var over atomic.Bool
		l := &leaver{}
		w := newWorld(t, host.Options{
			CacheSize: 2, Factory: l.factory(),
			Lapsed: func(shard uint32) bool { return shard == 0 && over.Load() },
		})
		ended := func(what string, want int32) {
			t.Helper()
			synctest.Wait()
			if n := l.ended.Load(); n != want {
				t.Errorf("%s: %d keys have ended, want %d", what, n, want)
			}
		}
		w.use(0, "a")
		w.use(1, "b")
		over.Store(true)
		w.use(1, "c")
		ended("room for c", 1) // b, though a is older
		w.want("a", "go", "done")
		ended("a is there still", 1)
		w.use(1, "d")
		ended("room for d", 2) // c
		over.Store(false)
		w.use(1, "e") // d is younger than a
		ended("room for e", 3)
		w.use(1, "d")
		ended("d is there still", 3)
	})
}

// TestOverTheBoundWithoutTheLease: what has become too many while keys were busy
// stays until the lease is back; then the oldest goes.
func TestOverTheBoundWithoutTheLease(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var over atomic.Bool
		l := &leaver{gate: make(chan struct{})}
		w := newWorld(t, host.Options{
			CacheSize: 1, Factory: l.factory(),
			Lapsed: func(shard uint32) bool { return shard == 0 && over.Load() },
		})
		a, b := w.send("a", "wait"), w.send("b", "wait")
		synctest.Wait()
		over.Store(true)
		close(l.gate)
		for _, c := range []*call{a, b} {
			if _, err := c.settled(t); err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
		if w.Active() != 2 || l.ended.Load() != 0 {
			t.Errorf("%d active, %d ended without the lease", w.Active(), l.ended.Load())
		}
		w.use(1, "c") // the only one that may go
		if w.Active() != 2 || l.ended.Load() != 1 {
			t.Errorf("%d active, %d ended after another shard's", w.Active(), l.ended.Load())
		}
		over.Store(false)
		w.want("a", "go", "done")
		synctest.Wait()
		if w.Active() != 1 || l.ended.Load() != 2 {
			t.Errorf("%d active, %d ended with the lease again", w.Active(), l.ended.Load())
		}
		w.want("a", "go", "done")
		if n := l.made.Load(); n != 3 {
			t.Errorf("%d were made: the key that was used last has gone", n)
		}
	})
}
