package cluster_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
)

// TestEndTellsHooksThatWereCutOff: Run returns an error that says how many keys may have
// lost what they would save, also where their stop hooks heed the end of their contexts.
// An error of a stop hook's own is the log's.
func TestEndTellsHooksThatWereCutOff(t *testing.T) {
	for name, c := range map[string]struct {
		end   func(context.Context) error
		alone bool
		want  string
	}{
		"alone":            {func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, true, "node a: the stop hooks of 3 keys were cut off"},
		"another stays":    {func(ctx context.Context) error { <-ctx.Done(); return nil }, false, "node a: the stop hooks of 3 keys were cut off"},
		"they go on":       {func(context.Context) error { time.Sleep(time.Minute); return nil }, false, "node a: the stop hooks of 3 keys were cut off"},
		"they have failed": {func(context.Context) error { return errors.New("no disk") }, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				lc := newLiving(t)
				defer lc.close()
				options := func(node string) cluster.NodeOptions {
					return cluster.NodeOptions{NodeID: node, Handler: entity(node, actor.OnPassivate(func(_ *struct{}, ctx *actor.Context) error {
						if node == "a" {
							return c.end(ctx)
						}
						return nil
					}))}
				}
				var a, b *livingNode
				if c.alone {
					a = lc.startOn(options("a"))
					<-a.Ready()
				} else {
					a, b = lc.pair(options)
				}
				for _, key := range keysOf(3, "a", "a", "b") {
					lc.whereis(key)
				}
				a.stop()
				err := <-a.ended
				switch {
				case c.want == "" && err != nil:
					t.Errorf("the node ends with %v", err)
				case c.want != "" && (!errors.Is(err, cluster.ErrHandlerTimeout) || !strings.Contains(err.Error(), c.want)):
					t.Errorf("the node ends with %v, want %q", err, c.want)
				}
				if b != nil {
					lc.end(b)
				}
			})
		})
	}
}
