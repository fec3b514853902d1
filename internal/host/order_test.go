package host_test

import (
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/clstr-go/clstr/internal/host"
)

func TestRacingFirstRequestsMakeOneIncarnation(t *testing.T) {
	const callers = 100
	var made, inside, most atomic.Int32
	w := newWorld(t, host.Options{Factory: making(func(string) *entity {
		made.Add(1)
		return &entity{handle: func(c *host.Context) {
			if n := inside.Add(1); n > most.Load() {
				most.Store(n)
			}
			inside.Add(-1)
			c.Call().Reply(nil, nil)
		}}
	})})
	gate := make(chan struct{})
	calls := make([]*call, callers)
	var wg sync.WaitGroup
	for i := range calls {
		wg.Go(func() {
			<-gate
			calls[i] = w.send("k", "go")
		})
	}
	close(gate)
	wg.Wait()
	for _, c := range calls {
		if _, err := c.settled(t); err != nil {
			t.Error(err)
		}
		c.check(t)
	}
	if made.Load() != 1 || most.Load() != 1 || w.Active() != 1 {
		t.Errorf("%d incarnations, %d messages at once, %d active; want 1 of each", made.Load(), most.Load(), w.Active())
	}
}

// TestOrderOfEachSender keeps no lock in the entity: the race detector sees
// whether two turns of one key ever overlap.
func TestOrderOfEachSender(t *testing.T) {
	const keys, senders, messages = 7, 5, 200
	type state struct{ last [senders]int }
	w := newWorld(t, host.Options{MailboxSize: -1, CacheSize: 3, Factory: making(func(string) *entity {
		s := &state{}
		return &entity{handle: func(c *host.Context) {
			var sender, n int
			if _, err := fmt.Sscanf(c.Message().Type, "%d %d", &sender, &n); err != nil {
				t.Error(err)
			}
			// An incarnation begins anywhere, and then sees ascending numbers.
			if n <= s.last[sender] {
				t.Errorf("key %q: sender %d: %d came after %d", c.Key(), sender, n, s.last[sender])
			}
			s.last[sender] = n
			c.Call().Reply(nil, nil)
		}}
	})})
	var wg sync.WaitGroup
	for sender := range senders {
		wg.Go(func() {
			var calls []*call
			for n := 1; n <= messages; n++ {
				for k := range keys {
					calls = append(calls, w.send(strconv.Itoa(k), fmt.Sprintf("%d %d", sender, n)))
				}
			}
			for _, c := range calls {
				if _, err := c.settled(t); err != nil {
					t.Error(err)
				}
				c.check(t)
			}
		})
	}
	wg.Wait()
}

func TestKeysDoNotWaitForEachOther(t *testing.T) {
	blocked, gate := make(chan struct{}), make(chan struct{})
	w := newWorld(t, host.Options{Factory: func(key string) (host.Actor, error) {
		block := func(at string) {
			if key == at {
				blocked <- struct{}{}
				<-gate
			}
		}
		block("making")
		return &entity{
			activate:  func(*host.Context) error { block("activating"); return nil },
			handle:    func(c *host.Context) { block("handling"); c.Call().Reply([]byte("done"), nil) },
			passivate: func(*host.Context) { block("passivating") },
		}, nil
	}})
	var slow []*call
	for _, key := range []string{"making", "activating", "handling"} {
		slow = append(slow, w.send(key, "go"))
		await(t, blocked, key)
	}
	w.want("other", "go", "done") // the same shard
	close(gate)
	for _, c := range slow {
		if _, err := c.settled(t); err != nil {
			t.Error(err)
		}
	}
	gate = make(chan struct{})
	close(gate)
	go func() { <-blocked }() // ends when "passivating" is stopped, at the latest with the host
	w.want("passivating", "go", "done")
	w.stop()
}

func TestAMessageOfASenderThatHasGoneIsSkipped(t *testing.T) {
	gate, blocked := make(chan struct{}), make(chan struct{})
	var handled []string
	w := newWorld(t, host.Options{Factory: making(func(string) *entity {
		return &entity{handle: func(c *host.Context) {
			handled = append(handled, c.Message().Type)
			if c.Message().Type == "first" {
				close(blocked)
				<-gate
			}
			c.Call().Reply(nil, nil)
		}}
	})})
	first := w.send("k", "first")
	await(t, blocked, "the first message")
	gone := newCall()
	gone.gone = true
	w.deliver(0, "k", gone, host.Message{Type: "gone"})
	last := w.send("k", "last")
	close(gate)
	for _, c := range []*call{first, last} {
		if _, err := c.settled(t); err != nil {
			t.Error(err)
		}
	}
	if fmt.Sprint(handled) != "[first last]" {
		t.Errorf("handled %v; the message whose Start returned false must be skipped", handled)
	}
	if gone.ends != 0 {
		t.Error("End was called for a message that did not start")
	}
}
