package host_test

import (
	"testing"

	"github.com/clstr-go/clstr/internal/host"
)

// TestAnOldKeyThatWorksStays: a key that has been idle before is as busy on a
// later turn as on its first, though it is the least recently used.
func TestAnOldKeyThatWorksStays(t *testing.T) {
	s := newStops()
	w := newWorld(t, host.Options{CacheSize: 2, Factory: s.factory})
	w.use(0, "old")
	c := w.send("old", "block")
	await(t, s.in, "the turn")
	w.useKey("b")
	eventually(t, "b is idle", func() bool { return w.pool.Stats().Running == 1 }) // or it would count as busy when c comes
	w.useKey("c")
	eventually(t, "the cap", func() bool { return w.Active() == 2 && s.list() == "[b]" })
	s.gate <- struct{}{}
	if _, err := c.settled(t); err != nil {
		t.Error(err)
	}
}

// TestOrderOfUseAfterABusyTime: once all keys have been busy over the cap, the
// least recently used goes first again.
func TestOrderOfUseAfterABusyTime(t *testing.T) {
	s := newStops()
	w := newWorld(t, host.Options{CacheSize: 2, Factory: s.factory})
	var calls []*call
	for _, key := range []string{"a", "b", "c"} {
		calls = append(calls, w.send(key, "block"))
		await(t, s.in, "the turn")
	}
	for range calls {
		s.gate <- struct{}{}
	}
	for _, c := range calls {
		if _, err := c.settled(t); err != nil {
			t.Error(err)
		}
	}
	eventually(t, "the cap", func() bool { return w.Active() == 2 && w.pool.Stats().Running == 0 })
	for _, key := range []string{"d", "e", "f"} {
		w.use(0, key)
	}
	eventually(t, "the oldest has gone", func() bool {
		list := s.list()
		return w.Active() == 2 && list[len(list)-3:] == " d]"
	})
}

// TestPassivateWhileStopping: what an incarnation asks for in its stop hook ends
// with it.
func TestPassivateWhileStopping(t *testing.T) {
	made := 0 // on the key's turns
	entered, gate := make(chan struct{}), make(chan struct{})
	w := newWorld(t, host.Options{Factory: making(func(string) *entity {
		made++
		return &entity{
			handle: func(c *host.Context) {
				if c.Message().Type == "leave" {
					c.Passivate()
				}
				c.Call().Reply([]byte{'0' + byte(made)}, nil)
			},
			passivate: func(c *host.Context) {
				c.Passivate()
				if made == 1 {
					close(entered)
					<-gate
				}
			},
		}
	})})
	w.want("k", "leave", "1")
	await(t, entered, "the stop hook")
	next, after := w.send("k", "stay"), w.send("k", "stay")
	close(gate)
	for _, c := range []*call{next, after} {
		if got, err := c.settled(t); err != nil || got != "2" {
			t.Errorf("handled by incarnation %s, %v, want the second", got, err)
		}
	}
}
