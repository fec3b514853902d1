package host_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/internal/host"
	"github.com/clstr-go/clstr/internal/turn"
)

// TestOneStopHookThatGoesOn: it does not keep the keys from saving that others' stop
// hooks have woken. Those have the last second.
func TestOneStopHookThatGoesOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const all = 10 * time.Second
		began, saved := time.Now(), time.Duration(0)
		w := newWorld(t, host.Options{HookTimeout: -1, Factory: func(key string) (host.Actor, error) {
			return &entity{passivate: func(c *host.Context) {
				if key == "goes on" {
					<-c.Done()
					return
				}
				saved = time.Since(began)
			}}, nil
		}})
		w.want("goes on", "go", "")
		g := host.NewEndGroup(false)
		w.BeginEnd(0, g)
		asks := newCall()
		asks.stopHook = turn.Ending
		if err := w.Deliver(0, "store", asks); err != nil {
			t.Fatal(err)
		}
		if _, err := asks.settled(t); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), all)
		defer cancel()
		err := w.EndShard(ctx, 0, false)
		if unended := (*host.Unended)(nil); !errors.As(err, &unended) || unended.Keys != 1 || !strings.Contains(err.Error(), `key "goes on"`) {
			t.Errorf("EndShard: %v", err)
		}
		synctest.Wait()
		select {
		case <-g.Idle():
		default:
			t.Error("the group still waits for a key that was waited for in vain")
		}
		if saved != all-time.Second {
			t.Errorf("the key that was woken has saved after %v", saved)
		}
	})
}

// TestNoKeyEndsBeforeAllShardsHaveBegun: where a host's shards begin to end one after the
// other, keys that the first ones' stop hooks have woken stay for the last one's.
func TestNoKeyEndsBeforeAllShardsHaveBegun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		begun, gate := make(chan struct{}), make(chan struct{})
		w := newWorld(t, host.Options{Factory: func(key string) (host.Actor, error) {
			return &entity{
				handle: func(c *host.Context) {
					if key == "goes" {
						c.Passivate()
					}
					c.Call().Reply(nil, nil)
				},
				passivate: func(*host.Context) {
					if key == "goes" {
						close(begun)
						<-gate
					}
				},
			}, nil
		}})
		use := func(shard uint32, key string) *call {
			c := newCall()
			w.deliver(shard, key, c, host.Message{Key: key})
			return c
		}
		if _, err := use(0, "goes").settled(t); err != nil {
			t.Fatal(err)
		}
		await(t, begun, "its stop hook")
		waits := use(0, "goes")
		if _, err := use(1, "stays").settled(t); err != nil {
			t.Fatal(err)
		}
		g := host.NewEndGroup(true)
		idle := true
		waits.after = func() { // shard 0 has begun to end, and shard 1 has not
			close(gate)
			synctest.Wait() // its key has ended
			select {
			case <-g.Idle():
			default:
				idle = false
			}
		}
		w.BeginStop(g)
		if idle {
			t.Error("the second round is over before all shards have begun the first")
		}
		await(t, g.Idle(), "the end")
	})
}

// TestWhatAStopHookHasSentHoldsTheEnd: a message of a stop hook that waits when its shard begins to
// end is handled in the first round, and what it asks is served.
func TestWhatAStopHookHasSentHoldsTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		gate := make(chan struct{})
		w := newWorld(t, host.Options{Factory: func(key string) (host.Actor, error) {
			return &entity{handle: func(c *host.Context) {
				if key == "busy" {
					<-gate
				}
				c.Call().Reply(nil, nil)
			}}, nil
		}})
		send := func(key string, role turn.Role) (*call, error) {
			c := newCall()
			c.stopHook, c.notify = role, true
			return c, w.Deliver(0, key, c)
		}
		for _, role := range []turn.Role{turn.Key, turn.Stop} { // the second one waits behind the first
			if _, err := send("busy", role); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		g := host.NewEndGroup(true)
		w.BeginEnd(0, g)
		gate <- struct{}{}
		synctest.Wait() // the key has ended, and was woken
		if asks, err := send("other", turn.Ending); err != nil {
			t.Errorf("what is asked on the turn of a stop hook's message: %v", err)
		} else if _, err := asks.settled(t); err != nil {
			t.Error(err)
		}
		select {
		case <-g.Idle():
			t.Error("the group is idle before the message is handled")
		default:
		}
		close(gate)
		await(t, g.Idle(), "the end")
		if _, err := send("other", turn.Ending); err == nil {
			t.Error("a key was woken after the second round")
		}
	})
}
