package host_test

import (
	"context"
	"errors"
	"testing"

	"github.com/clstr-go/clstr/internal/host"
	"github.com/clstr-go/clstr/internal/turn"
	"github.com/clstr-go/clstr/outcome"
)

// TestShardComesBackAfterItsGroup: a shard that has ended with a group, where a stop hook
// has woken a key in it or not, serves everybody when it comes back. While it ends, it
// serves stop hooks only, and a key that they have woken does not end before theirs.
func TestShardComesBackAfterItsGroup(t *testing.T) {
	for _, asked := range []bool{false, true} {
		w := newWorld(t, host.Options{Factory: func(string) (host.Actor, error) {
			return &entity{handle: func(c *host.Context) { c.Call().Reply([]byte("ok"), nil) }}, nil
		}})
		ask := func(role turn.Role) (*call, error) {
			c := newCall()
			c.stopHook = role
			return c, w.Deliver(7, "key", c)
		}
		g := host.NewEndGroup(false)
		g.Hold() // for a shard whose stop hooks may ask
		w.BeginEnd(7, g)
		if _, err := ask(turn.Key); !errors.Is(err, outcome.ErrDraining) {
			t.Errorf("a shard that ends: %v", err)
		}
		if asked {
			c, err := ask(turn.Ending)
			if err != nil {
				t.Fatal(err)
			}
			if reply, err := c.settled(t); err != nil || reply != "ok" {
				t.Errorf("a stop hook is told %q, %v", reply, err)
			}
		}
		select {
		case <-g.Idle():
			t.Error("idle while it is held")
		default:
		}
		g.Release()
		if err := w.EndShard(context.Background(), 7, false); err != nil {
			t.Fatal(err)
		}
		if n := w.Active(); n != 0 {
			t.Errorf("%d keys live", n)
		}
		c, err := ask(turn.Key)
		if err != nil {
			t.Fatalf("asked %v: a shard that has come back: %v", asked, err)
		}
		if reply, err := c.settled(t); err != nil || reply != "ok" {
			t.Errorf("a shard that has come back answers %q, %v", reply, err)
		}
		w.stop()
	}
}
