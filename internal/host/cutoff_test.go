package host_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/internal/host"
	"github.com/clstr-go/clstr/outcome"
)

// TestChaosOfShardsThatEndInVain: a shard is ended again and again, mostly for a time that
// is not enough, while messages come. Every message gets one answer, or was refused; no
// key has two incarnations; and nothing is left at the end.
func TestChaosOfShardsThatEndInVain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const keys, senders, messages, ends = 6, 4, 150, 120
		linger := func() { pass(rand.N(4 * time.Millisecond)) }
		w := newWorld(t, host.Options{
			CacheSize: 3, HookTimeout: -1, Observer: &incarnations{TB: t},
			Factory: making(func(string) *entity {
				return &entity{
					activate:  func(*host.Context) error { linger(); return nil },
					passivate: func(*host.Context) { linger() },
				}
			}),
		})
		before := w.processes()
		var wg sync.WaitGroup
		told := map[string]*atomic.Int32{"handled": {}, "refused": {}, "stuck": {}}
		for range senders {
			wg.Go(func() {
				for range messages {
					c := newCall()
					err := w.Deliver(0, strconv.Itoa(rand.IntN(keys)), c)
					if err == nil {
						if _, err = c.wait(t); c.starts > 0 {
							<-c.ended
						}
						c.check(t)
					}
					switch {
					case err == nil:
						told["handled"].Add(1)
					case isStuck(err):
						told["stuck"].Add(1)
					case errors.Is(err, outcome.ErrDraining):
						told["refused"].Add(1)
					default:
						t.Errorf("got %v", err)
					}
					pass(rand.N(time.Millisecond))
				}
			})
		}
		wg.Go(func() {
			for range ends {
				ctx, cancel := context.WithTimeout(context.Background(), rand.N(5*time.Millisecond))
				_ = w.EndShard(ctx, 0, rand.IntN(3) == 0)
				cancel()
				pass(rand.N(3 * time.Millisecond))
			}
		})
		wg.Wait()
		w.endShard(0, false)
		synctest.Wait()
		w.endShard(0, true)
		if n := w.processes(); n != before {
			t.Errorf("%d processes, %d before", n, before)
		}
		for what, n := range told {
			if n.Load() == 0 {
				t.Errorf("no message was %s", what)
			}
		}
	})
}

// incarnations sees that no key has two.
type incarnations struct {
	testing.TB
	counter
	live sync.Map // string -> *atomic.Int32
}

func (i *incarnations) of(key string) *atomic.Int32 {
	n, _ := i.live.LoadOrStore(key, new(atomic.Int32))
	return n.(*atomic.Int32)
}

func (i *incarnations) KeyBegins(_ string, _ uint32, key string) {
	if n := i.of(key).Add(1); n != 1 {
		i.Errorf("key %s has %d incarnations", key, n)
	}
}

func (i *incarnations) KeyEnded(_ string, _ uint32, key string) { i.of(key).Add(-1) }
