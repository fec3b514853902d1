package host_test

import (
	"log/slog"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/internal/host"
)

// comebacks counts keys that come back.
type comebacks struct {
	counter
	n atomic.Int32
}

var _ host.Observer = (*comebacks)(nil)

func (c *comebacks) KeyReturned(string) { c.n.Add(1) }

// counts returns how many keys came back, and how many got an actor.
func (c *comebacks) counts() (back, activated int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return int(c.n.Load()), c.activated
}

// TestACapThatIsTooSmall: keys that are asked in turn, one more than the cap has room
// for, are passivated and made again for each message, and the log says so once.
func TestACapThatIsTooSmall(t *testing.T) {
	for _, c := range []struct {
		name     string
		keys     int
		pause    time.Duration
		rounds   int
		evicted  bool
		warnings int
	}{
		{"as many as there is room for", 1024, time.Millisecond, 8, false, 0},
		{"1,500 in turn", 1500, time.Millisecond, 8, true, 1},
		{"1,500 in turn for three minutes", 1500, 10 * time.Millisecond, 12, true, 3},
		{"1,500 in turn, but seldom", 1500, time.Second, 2, true, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var log lines
				o := &comebacks{}
				w := newWorldOn(t, host.Options{Kind: "account", Observer: o, Factory: making(func(string) *entity { return &entity{} })},
					slog.New(slog.NewTextHandler(&log, nil)), -1)
				for range c.rounds {
					for i := range c.keys {
						w.want(strconv.Itoa(i), "go", "")
						pass(c.pause)
					}
				}
				synctest.Wait()
				want := 0
				if c.evicted {
					want = (c.rounds - 1) * c.keys // each but the first time
				}
				if n := int(o.n.Load()); n != want {
					t.Errorf("%d keys came back, want %d", n, want)
				}
				got := log.take()
				if len(got) != c.warnings {
					t.Errorf("%d lines, want %d: %q", len(got), c.warnings, got)
				}
				for _, line := range got {
					if !strings.Contains(line, "kind=account cache_size=1024 returned_per_second=") {
						t.Errorf("the line does not name handler, cap and rate: %s", line)
					}
				}
			})
		})
	}
}

// TestManyMoreThanTheCap: most of the keys that come back are counted although many times as many are in
// use as there is room for, in random order and in turn. If most are forgotten, the log says nothing.
func TestManyMoreThanTheCap(t *testing.T) {
	const room = 128
	for _, c := range []struct {
		name    string
		keys    int
		inTurn  bool
		atLeast float64 // of all that come back
		atMost  float64
		warned  bool
	}{
		{"ten times as many", 10 * room, false, 0.95, 1, true},
		{"ten times as many in turn", 10 * room, true, 0.9, 1, true},
		{"sixteen times as many", 16 * room, false, 0.8, 1, true},
		{"a hundred times as many", 100 * room, false, 0.1, 0.25, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var log lines
				o := &comebacks{}
				w := newWorldOn(t, host.Options{Kind: "account", Observer: o, CacheSize: room, Factory: making(func(string) *entity { return &entity{} })},
					slog.New(slog.NewTextHandler(&log, nil)), -1)
				chance := rand.New(rand.NewPCG(1, 2))
				for i := range c.keys { // each is evicted once, but for the last
					w.want(strconv.Itoa(i), "go", "")
				}
				synctest.Wait()
				counted, began := o.counts()
				for i := range 6_000 {
					key := i
					if !c.inTurn {
						key = chance.IntN(c.keys)
					}
					w.want(strconv.Itoa(key%c.keys), "go", "")
					pass(time.Millisecond)
				}
				synctest.Wait()
				n, made := o.counts()
				n, made = n-counted, made-began
				seen := float64(n) / float64(made)
				if made < 5_000 || seen < c.atLeast || seen > c.atMost {
					t.Errorf("%.3f of %d keys that came back were counted, want %v to %v", seen, made, c.atLeast, c.atMost)
				}
				if got := log.take(); len(got) > 0 != c.warned {
					t.Errorf("%d lines: %q", len(got), got)
				}
			})
		})
	}
}

// A key that is passivated because it is idle, or asks for it, was not evicted.
func TestAKeyThatLeavesByItselfDoesNotReturn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := &comebacks{}
		w := newWorld(t, host.Options{Observer: o, IdleAfter: time.Second, CacheSize: 1, Factory: making(func(string) *entity {
			return &entity{handle: func(c *host.Context) {
				if c.Message().Type == "leave" {
					c.Passivate()
				}
				c.Call().Reply(nil, nil)
			}}
		})})
		for range 3 {
			w.want("k", "go", "")
			pass(2 * time.Second)
			w.want("k", "leave", "")
		}
		if n := o.n.Load(); n != 0 {
			t.Errorf("%d keys came back", n)
		}
		for range 3 {
			w.want("a", "go", "")
			synctest.Wait()
			w.want("b", "go", "")
			synctest.Wait()
		}
		if n := o.n.Load(); n != 4 {
			t.Errorf("%d keys came back, want 4: a and b, each twice", n)
		}
	})
}

// TestFewThatReturn: a cap is not too small where most activations are of keys that were
// not here before, however many a second come back.
func TestFewThatReturn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var log lines
		o := &comebacks{}
		w := newWorldOn(t, host.Options{Observer: o, CacheSize: 100, Factory: making(func(string) *entity { return &entity{} })},
			slog.New(slog.NewTextHandler(&log, nil)), -1)
		for i := range 6000 {
			w.want(strconv.Itoa(i), "go", "")
			if i%2 == 0 && i > 200 { // one that has just been evicted
				w.want(strconv.Itoa(i-120), "go", "")
			}
			pass(2 * time.Millisecond)
		}
		if n := o.n.Load(); n < 2000 {
			t.Errorf("only %d keys came back", n)
		}
		if got := log.take(); len(got) > 0 {
			t.Errorf("%q", got)
		}
	})
}

// TestAKeyThatIsEvictedAtItsEnd: where all were busy, the key that settles first makes
// room, and was evicted. It returns once for that.
func TestAKeyThatIsEvictedAtItsEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := &comebacks{}
		gates := map[string]chan struct{}{"a": make(chan struct{}), "b": make(chan struct{})}
		w := newWorld(t, host.Options{Observer: o, CacheSize: 1, Factory: making(func(string) *entity {
			return &entity{handle: func(c *host.Context) {
				switch c.Message().Type {
				case "hold":
					<-gates[c.Key()]
				case "leave":
					c.Passivate()
				}
				c.Call().Reply(nil, nil)
			}}
		})})
		held := []*call{w.send("a", "hold"), w.send("b", "hold")}
		for i, key := range []string{"a", "b"} { // a makes room
			synctest.Wait()
			close(gates[key])
			if _, err := held[i].wait(t); err != nil {
				t.Error(err)
			}
		}
		for _, key := range []string{"b", "a"} {
			synctest.Wait()
			w.want(key, "leave", "")
		}
		synctest.Wait()
		before := o.n.Load()
		if before != 1 {
			t.Errorf("%d keys came back, want the one that made room", before)
		}
		for range 3 { // by themselves
			w.want("a", "leave", "")
			synctest.Wait()
			w.want("b", "leave", "")
			synctest.Wait()
		}
		if n := o.n.Load(); n != before {
			t.Errorf("%d keys came back, %d of them after they had left by themselves", n, n-before)
		}
	})
}
