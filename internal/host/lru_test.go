package host_test

import (
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"testing"

	"github.com/clstr-go/clstr/internal/host"
)

// stops lists the keys whose stop hooks have run, in order.
type stops struct {
	mu   sync.Mutex
	keys []string
	gate chan struct{} // what a "block" message waits for
	in   chan string
}

func newStops() *stops { return &stops{gate: make(chan struct{}), in: make(chan string)} }

func (s *stops) factory(string) (host.Actor, error) {
	return &entity{
		handle: func(c *host.Context) {
			if c.Message().Type == "block" {
				s.in <- c.Key()
				<-s.gate
			}
			c.Call().Reply(nil, nil)
		},
		passivate: func(c *host.Context) {
			s.mu.Lock()
			s.keys = append(s.keys, c.Key())
			s.mu.Unlock()
		},
	}, nil
}

func (s *stops) list() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprint(s.keys)
}

// use asks a key, and waits until it is idle as well.
func (w *world) use(shard uint32, key string) {
	w.Helper()
	c := newCall()
	w.deliver(shard, key, c, host.Message{Type: "use"})
	if _, err := c.settled(w); err != nil {
		w.Error(err)
	}
	eventually(w, "the key is idle", func() bool { return w.pool.Stats().Running == 0 })
}

func TestLeastRecentlyUsedGoesFirstAcrossShards(t *testing.T) {
	const keys, extra = 12, 6
	s := newStops()
	w := newWorld(t, host.Options{CacheSize: keys, Factory: s.factory})
	for i := range keys {
		w.use(uint32(i%5), strconv.Itoa(i))
	}
	for _, i := range []int{0, 3, 7} { // used again, in this order
		w.use(uint32(i%5), strconv.Itoa(i))
	}
	var want []string
	for _, i := range []int{1, 2, 4, 5, 6, 8} {
		want = append(want, strconv.Itoa(i))
	}
	for i := range extra {
		w.use(uint32(i%3), fmt.Sprint("extra", i))
		eventually(t, "the cap", func() bool { return w.Active() == keys && s.list() == fmt.Sprint(want[:i+1]) })
	}
	for i := range keys {
		w.use(uint32(i), fmt.Sprint("more", i))
		if n := w.Active(); n > keys {
			t.Errorf("%d active keys over the cap of %d, all idle", n, keys)
		}
	}
}

func TestCapValues(t *testing.T) {
	for _, c := range []struct{ cap, used, active int }{
		{0, host.DefaultCacheSize + 10, host.DefaultCacheSize},
		{-1, host.DefaultCacheSize + 10, host.DefaultCacheSize + 10},
		{1, 10, 1},
	} {
		t.Run(strconv.Itoa(c.cap), func(t *testing.T) {
			w := newWorld(t, host.Options{CacheSize: c.cap, Factory: newStops().factory})
			for i := range c.used {
				w.send(fmt.Sprint(i), "use")
			}
			eventually(t, fmt.Sprint(c.active, " active"), func() bool { return w.Active() == c.active })
		})
	}
}

// TestBusyKeysStay: the host goes over its cap rather than stop a key that works
// or has mail, and shrinks by each that settles.
func TestBusyKeysStay(t *testing.T) {
	const busy = 5
	s := newStops()
	w := newWorld(t, host.Options{CacheSize: 2, Factory: s.factory})
	calls := map[string]*call{}
	for i := range busy {
		key := strconv.Itoa(i)
		calls[key] = w.send(key, "block")
		await(t, s.in, "the turn")
	}
	if n := w.Active(); n != busy || s.list() != "[]" {
		t.Fatalf("%d active of %d busy keys, stopped %s", n, busy, s.list())
	}
	for left := busy; left > 0; left-- {
		s.gate <- struct{}{}
		want := max(left-1, 2)
		eventually(t, fmt.Sprintf("%d active", want), func() bool { return w.Active() == want })
	}
	for _, c := range calls {
		if _, err := c.settled(t); err != nil {
			t.Error(err)
		}
		c.check(t)
	}
}

// TestKeyWithMailStays: a key that is idle but for mail that nobody has got to
// yet is as busy as one on its turn.
func TestKeyWithMailStays(t *testing.T) {
	s := newStops()
	w := newWorldOn(t, host.Options{CacheSize: 2, Factory: s.factory}, slog.New(slog.DiscardHandler), 1)
	w.use(0, "k")
	busy := w.send("busy", "block")
	await(t, s.in, "the only turn")
	mail := w.send("k", "use")
	third := w.send("third", "use") // one too many: the host looks for one to stop
	if n := w.Active(); n != 3 || s.list() != "[]" {
		t.Errorf("%d active, stopped %s, while all have work", n, s.list())
	}
	s.gate <- struct{}{}
	for _, c := range []*call{busy, mail, third} {
		if _, err := c.settled(t); err != nil {
			t.Error(err)
		}
	}
	eventually(t, "the cap", func() bool { return w.Active() == 2 && s.list() != "[]" })
	if got := s.list(); got != "[busy]" {
		t.Errorf("stopped %s, want the first that had no more work", got)
	}
}

func (w *world) useKey(key string) {
	w.Helper()
	if _, err := w.ask(key, "use"); err != nil {
		w.Error(err)
	}
}

// TestTheLastToSettleIsNotForgotten: keys that settle while the host is looking
// for one to stop must be found, whatever the timing.
func TestTheLastToSettleIsNotForgotten(t *testing.T) {
	const cap, keys, rounds = 2, 40, 30
	s := newStops()
	s.gate = make(chan struct{})
	w := newWorld(t, host.Options{CacheSize: cap, Factory: s.factory})
	for round := range rounds {
		var calls []*call
		for i := range keys {
			c := newCall()
			w.deliver(uint32(i%4), fmt.Sprint(round, "-", i), c, host.Message{Type: "block"})
			calls = append(calls, c)
		}
		for range keys {
			await(t, s.in, "the turns")
		}
		for range keys {
			s.gate <- struct{}{}
		}
		for _, c := range calls {
			_, _ = c.settled(t)
		}
		eventually(t, fmt.Sprintf("round %d: the cap", round), func() bool { return w.Active() <= cap })
	}
}

// TestManyBusyKeysCostNoSearchEach: with a cap that is far too small a burst of
// keys must not look through all of them for each of them.
func TestManyBusyKeysCostNoSearchEach(t *testing.T) {
	const keys = 2000
	gate := make(chan struct{})
	log := slog.New(slog.DiscardHandler)
	w := newWorldOn(t, host.Options{CacheSize: 10, Factory: func(string) (host.Actor, error) {
		<-gate
		return &entity{}, nil
	}}, log, 4)
	calls := make([]*call, keys)
	for i := range calls {
		calls[i] = w.send(strconv.Itoa(i), "")
	}
	if n := host.Looks(w.Host); n > 3*keys { // a key each would be keys*keys/2
		t.Errorf("%d deliveries of messages to %d keys, and looks at keys", n, keys)
	}
	close(gate)
	for _, c := range calls {
		if _, err := c.settled(t); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the cap", func() bool { return w.Active() <= 10 })
}
