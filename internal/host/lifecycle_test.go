package host_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/clstr-go/clstr/internal/host"
	"github.com/clstr-go/clstr/outcome"
)

// TestMailWhileStopping: what arrives while an incarnation stops is handled by
// the next, in order, and not before the stop hook has ended.
func TestMailWhileStopping(t *testing.T) {
	const mail = 50
	inHook, gate := make(chan struct{}), make(chan struct{})
	var made, live atomic.Int32
	var handled []string
	w := newWorld(t, host.Options{Factory: func(string) (host.Actor, error) {
		n := made.Add(1)
		if live.Add(1) != 1 {
			t.Error("two live incarnations")
		}
		over := false
		return &entity{
			handle: func(c *host.Context) {
				if over {
					t.Error("handled after the stop hook")
				}
				handled = append(handled, fmt.Sprint(n, ":", c.Message().Type))
				if c.Message().Type == "leave" {
					c.Passivate()
				}
				c.Call().Reply(nil, nil)
			},
			passivate: func(*host.Context) {
				over = true
				if n == 1 {
					close(inHook)
					<-gate
				}
				live.Add(-1)
			},
		}, nil
	}})
	first := w.send("k", "leave")
	await(t, inHook, "the stop hook")
	if n := w.Active(); n != 0 {
		t.Errorf("%d active keys, the only one stops", n)
	}
	var calls []*call
	want := "[1:leave"
	for i := range mail {
		calls = append(calls, w.send("k", strconv.Itoa(i)))
		want += fmt.Sprint(" 2:", i)
	}
	if made.Load() != 1 {
		t.Error("the next incarnation was made while the stop hook ran")
	}
	close(gate)
	for _, c := range append(calls, first) {
		if _, err := c.settled(t); err != nil {
			t.Error(err)
		}
		c.check(t)
	}
	if got := fmt.Sprint(handled); got != want+"]" {
		t.Errorf("handled %s", got)
	}
	if n := w.Active(); n != 1 {
		t.Errorf("%d active keys, want 1", n)
	}
}

// ledger watches the incarnations of one key, from within.
type ledger struct {
	live      atomic.Int32
	mu        sync.Mutex
	last      map[int]int // by sender
	activated int
	panicked  int
	stopped   int
}

// chaos makes entities that fail in every way, by chance.
type chaos struct {
	testing.TB
	keys sync.Map // string -> *ledger
}

func (x *chaos) ledger(key string) *ledger {
	l, _ := x.keys.LoadOrStore(key, &ledger{last: map[int]int{}})
	return l.(*ledger)
}

func (x *chaos) factory(key string) (host.Actor, error) {
	l := x.ledger(key)
	if n := l.live.Add(1); n != 1 {
		x.Errorf("key %q: %d live incarnations", key, n)
	}
	dice := rand.IntN(100)
	if dice < 3 {
		l.live.Add(-1)
		return nil, errBroken
	}
	over := false
	return &entity{
		activate: func(*host.Context) error {
			if dice < 6 {
				l.live.Add(-1)
				return errBroken
			}
			if dice < 9 {
				l.live.Add(-1)
				panic("activation")
			}
			l.mu.Lock()
			l.activated++
			l.mu.Unlock()
			return nil
		},
		handle: func(c *host.Context) {
			if over {
				x.Errorf("key %q: handled after the end", key)
			}
			var sender, n int
			_, _ = fmt.Sscanf(c.Message().Type, "%d %d", &sender, &n)
			l.mu.Lock()
			if l.last[sender] >= n {
				x.Errorf("key %q: sender %d: %d after %d", key, sender, n, l.last[sender])
			}
			l.last[sender] = n
			l.mu.Unlock()
			switch d := rand.IntN(100); {
			case d < 3:
				over = true
				l.mu.Lock()
				l.panicked++
				l.mu.Unlock()
				l.live.Add(-1)
				panic("handler")
			case d < 10:
				c.Passivate()
			}
			c.Call().Reply([]byte(c.Message().Type), nil)
		},
		passivate: func(*host.Context) {
			over = true
			l.mu.Lock()
			l.stopped++
			l.mu.Unlock()
			l.live.Add(-1)
			if rand.IntN(10) == 0 {
				panic("stop hook")
			}
		},
	}, nil
}

// TestChaos: many keys, a tiny cap, many senders, and failures of all kinds at
// once. Every message gets one answer, in each sender's order; no key ever has
// two live incarnations; every incarnation that was activated and has not
// panicked is stopped once.
func TestChaos(t *testing.T) { bubble(t, testChaos) }

func testChaos(t *testing.T) {
	const keys, senders, messages = 40, 8, 150
	x := &chaos{TB: t}
	watch := &counter{}
	w := newWorld(t, host.Options{CacheSize: 5, MailboxSize: -1, Factory: x.factory, Observer: watch})
	var wg sync.WaitGroup
	for sender := range senders {
		wg.Go(func() {
			var calls []*call
			for n := 1; n <= messages; n++ {
				k := rand.IntN(keys)
				c := newCall()
				typ := fmt.Sprintf("%d %d", sender, n)
				w.deliver(uint32(k%3), strconv.Itoa(k), c, host.Message{Type: typ})
				calls = append(calls, c)
				if rand.IntN(10) == 0 {
					_, err := c.wait(t)
					if failed, ok := errors.AsType[*outcome.Error](err); ok {
						pass(failed.RetryAfter)
					}
				}
			}
			for _, c := range calls {
				_, err := c.wait(t)
				if _, panicked := errors.AsType[panicError](err); err != nil && !panicked && !errors.Is(err, outcome.ErrActivationFailed) {
					t.Error(err)
				}
			}
			for _, c := range calls {
				if c.starts > 0 {
					await(t, c.ended, "a handler's end")
				}
				c.check(t)
			}
		})
	}
	wg.Wait()
	w.stop()
	for key, l := range x.keys.Range {
		l := l.(*ledger)
		if l.activated != l.panicked+l.stopped || l.live.Load() != 0 {
			t.Errorf("key %q: %d activated, %d panicked, %d stopped, %d live", key, l.activated, l.panicked, l.stopped, l.live.Load())
		}
	}
	watch.check(t, 0)
}
