package host_test

import (
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clstr-go/clstr/internal/host"
	"github.com/clstr-go/clstr/outcome"
)

// counter is an observer that counts.
type counter struct {
	mu                                          sync.Mutex
	activated, failed, passivated, full, active int
	kind                                        string
	onPassivated                                func()
}

var _ host.Observer = (*counter)(nil)

func (o *counter) add(kind string, n *int, delta int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.kind = kind
	*n += delta
}

func (o *counter) Activated(kind string)             { o.add(kind, &o.activated, 1) }
func (o *counter) ActivationFailed(kind string)      { o.add(kind, &o.failed, 1) }
func (o *counter) MailboxRefused(kind string)        { o.add(kind, &o.full, 1) }
func (o *counter) ActiveKeys(kind string, delta int) { o.add(kind, &o.active, delta) }
func (o *counter) KeyReturned(string)                {}
func (o *counter) Passivated(kind string) {
	o.add(kind, &o.passivated, 1)
	if o.onPassivated != nil {
		o.onPassivated()
	}
}

func (o *counter) numbers() (activated, failed, passivated, full, active int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.activated, o.failed, o.passivated, o.full, o.active
}

// check fails the test unless as many keys are active as wanted, by both counts.
func (o *counter) check(t testing.TB, active int) {
	t.Helper()
	a, _, p, _, n := o.numbers()
	if a-p != active || n != active {
		t.Errorf("%d activated, %d passivated, ActiveKeys adds up to %d; want %d active", a, p, n, active)
	}
}

func TestObserverCountsAddUp(t *testing.T) {
	o := &counter{}
	fail := true
	w := newWorld(t, host.Options{Kind: "account", Observer: o, Factory: func(string) (host.Actor, error) {
		if fail {
			return nil, errBroken
		}
		return &entity{handle: func(c *host.Context) { explode(c); c.Call().Reply(nil, nil) }}, nil
	}})
	if _, err := w.send("k", "go").wait(t); !errors.Is(err, errBroken) {
		t.Error(err)
	}
	eventually(t, "the failed key has gone", func() bool {
		_, _, _, _, active := o.numbers()
		return w.Active() == 0 && active == 0 && w.processesOf("k") == 0
	})
	fail = false
	w.wantLater("k", "go", "")
	for range 3 {
		_, _ = w.ask("k", "panic")
	}
	w.want("k", "go", "")
	w.want("l", "go", "")
	o.check(t, 2)
	if n := w.Active(); n != 2 {
		t.Errorf("%d active", n)
	}
	w.stop()
	o.check(t, 0)
	if a, f, p, full, _ := o.numbers(); a != 5 || f != 1 || p != 5 || full != 0 || o.kind != "account" {
		t.Errorf("%d activated, %d failed, %d passivated, %d refused of kind %q", a, f, p, full, o.kind)
	}
}

// keyLog is an observer of keys.
type keyLog struct {
	counter
	begun, ended atomic.Int32
	now          atomic.Int32
	most         atomic.Int32
}

var _ host.KeyObserver = (*keyLog)(nil)

func (o *keyLog) KeyBegins(kind string, shard uint32, key string) {
	o.begun.Add(1)
	o.most.Store(max(o.most.Load(), o.now.Add(1)))
}

func (o *keyLog) KeyEnded(kind string, shard uint32, key string) {
	o.ended.Add(1)
	o.now.Add(-1)
}

// TestKeyObserver: each life of a key begins and ends, one after the other,
// whether it is made, panics or cannot be made.
func TestKeyObserver(t *testing.T) {
	o := &keyLog{}
	var made atomic.Int32
	w := newWorld(t, host.Options{Kind: "account", Observer: o, Factory: func(string) (host.Actor, error) {
		switch made.Add(1) {
		case 1:
			return nil, errBroken
		case 2:
			panic("in the factory")
		}
		return &entity{handle: func(c *host.Context) { explode(c); c.Call().Reply(nil, nil) }}, nil
	}})
	for range 2 {
		_, err := w.send("k", "go").wait(t)
		failed, ok := errors.AsType[*outcome.Error](err)
		if !ok {
			t.Fatal(err)
		}
		pass(failed.RetryAfter)
	}
	w.want("k", "go", "")
	for range 3 {
		_, _ = w.ask("k", "panic")
	}
	w.want("k", "go", "")
	w.endShard(0, false)
	w.want("k", "go", "")
	w.stop()
	if b, e, m := o.begun.Load(), o.ended.Load(), made.Load(); b != m || e != b || o.most.Load() != 1 {
		t.Errorf("%d made: %d begun, %d ended, at most %d at once", m, b, e, o.most.Load())
	}
}

// processesOf is 1 while a key of shard 0 has an incarnation.
func (w *world) processesOf(key string) int {
	if _, ok := w.system.Proto().ProcessRegistry.GetLocal("clstr-1/0/" + key); ok {
		return 1
	}
	return 0
}

// explosive is an observer that panics at all that it is told, or, each sixth time, ends
// its goroutine.
type explosive struct {
	told  atomic.Int32
	exits bool
}

func (o *explosive) panic() {
	switch n := o.told.Add(1); {
	case !o.exits:
		panic("metrics")
	case n%6 == 0:
		runtime.Goexit()
	}
}

func (o *explosive) Activated(string)                 { o.panic() }
func (o *explosive) ActivationFailed(string)          { o.panic() }
func (o *explosive) Passivated(string)                { o.panic() }
func (o *explosive) MailboxRefused(string)            { o.panic() }
func (o *explosive) ActiveKeys(string, int)           { o.panic() }
func (o *explosive) KeyReturned(string)               { o.panic() }
func (o *explosive) KeyBegins(string, uint32, string) { o.panic() }
func (o *explosive) KeyEnded(string, uint32, string)  { o.panic() }

// TestObserverThatPanics: keys are made, evicted and made again, fail and end as without.
func TestObserverThatPanics(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := &explosive{}
		w := newWorldOn(t, host.Options{Observer: o, CacheSize: 1, Factory: func(key string) (host.Actor, error) {
			if key == "bad" {
				return nil, errBroken
			}
			return &entity{handle: func(c *host.Context) { c.Call().Reply(nil, nil) }}, nil
		}}, slog.New(slog.DiscardHandler), -1)
		for range 3 {
			w.want("a", "go", "")
			w.want("b", "go", "")
			if _, err := w.send("bad", "go").wait(t); !errors.Is(err, errBroken) {
				t.Errorf("got %v", err)
			}
			pass(time.Minute)
		}
		w.stop()
		if n := w.Active(); n != 0 || o.told.Load() < 20 {
			t.Errorf("%d keys are active; the observer was told %d times", n, o.told.Load())
		}
	})
}

// TestObserverThatExits: what it ends costs the key that it is told of, and no later
// incarnation.
func TestObserverThatExits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := &explosive{exits: true}
		w := newWorldOn(t, host.Options{Observer: o, CacheSize: 1, Factory: func(key string) (host.Actor, error) {
			if key == "bad" {
				return nil, errBroken
			}
			return &entity{handle: func(c *host.Context) { c.Call().Reply(nil, nil) }}, nil
		}}, slog.New(slog.DiscardHandler), -1)
		for range 40 {
			for _, key := range []string{"a", "b", "bad"} {
				if _, err := w.send(key, "go").wait(t); err != nil && !errors.Is(err, outcome.ErrActivationFailed) {
					t.Errorf("got %v", err)
				}
			}
			pass(time.Minute)
		}
		w.stop()
		if n := w.Active(); n != 0 {
			t.Errorf("%d keys are active", n)
		}
	})
}
