package host_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/clstr-go/clstr/internal/host"
	"github.com/clstr-go/clstr/outcome"
)

// TestChaosOfLateHooks: hooks that take up to twice their limit, on keys that come
// and go, fail and panic. Every message gets one answer, or was refused; no key
// has two live incarnations.
func TestChaosOfLateHooks(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const keys, senders, messages = 12, 6, 200
		const limit = 10 * time.Millisecond
		x := &chaos{TB: t}
		linger := func() { pass(rand.N(2 * limit)) }
		factory := func(key string) (host.Actor, error) {
			if rand.IntN(4) == 0 {
				linger()
			}
			made, err := x.factory(key)
			if err != nil {
				return nil, err
			}
			e := made.(*entity)
			passivate := e.passivate
			e.passivate = func(c *host.Context) {
				if rand.IntN(2) == 0 {
					linger()
				}
				passivate(c)
			}
			return e, nil
		}
		watch := &counter{}
		w := newWorld(t, host.Options{CacheSize: 4, HookTimeout: limit, Factory: factory, Observer: watch})
		var wg sync.WaitGroup
		var mu sync.Mutex
		told := map[string]int{}
		for sender := range senders {
			wg.Go(func() {
				for n := 1; n <= messages; n++ {
					k := rand.IntN(keys)
					c := newCall()
					c.msg = host.Message{Type: fmt.Sprintf("%d %d", sender, n)}
					err := w.Deliver(uint32(k%3), strconv.Itoa(k), c)
					if err == nil {
						_, err = c.wait(t)
						if c.starts > 0 {
							<-c.ended
						}
						c.check(t)
					} else if c.answers != 0 {
						t.Error("a message that was not taken was answered")
					}
					what := "handled"
					switch _, panicked := errors.AsType[panicError](err); {
					case err == nil:
					case panicked:
						what = "panicked"
					case errors.Is(err, outcome.ErrActivationFailed):
						what = "not activated"
					case isStuck(err):
						what = "stuck"
					default:
						t.Errorf("got %v", err)
					}
					mu.Lock()
					told[what]++
					mu.Unlock()
					pass(rand.N(limit))
				}
			})
		}
		wg.Wait()
		w.stop()
		watch.check(t, 0)
		for key, l := range x.keys.Range {
			l := l.(*ledger)
			if l.activated != l.panicked+l.stopped || l.live.Load() != 0 {
				t.Errorf("key %q: %d activated, %d panicked, %d stopped, %d live", key, l.activated, l.panicked, l.stopped, l.live.Load())
			}
		}
		for _, what := range []string{"handled", "panicked", "not activated", "stuck"} {
			if told[what] == 0 {
				t.Errorf("nothing was %s: %v", what, told)
			}
		}
	})
}
