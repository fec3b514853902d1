package cluster_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/transport/memtransport"
)

// TestStuckHandlerAtTheEnd: a handler that ignores the end of its context is given up at
// a node's end, which says so, once: no later behind a middleware, and on a transport
// that knows handlers only too.
func TestStuckHandlerAtTheEnd(t *testing.T) {
	behind(t, func(t *testing.T, mw middleware) {
		for _, funcs := range []bool{false, true} {
			for _, notified := range []bool{false, true} {
				h := mw(entity("a", takes(1000*time.Second), actor.OnNotify(func(*struct{}, *actor.Context, put) error {
					time.Sleep(1000 * time.Second)
					return nil
				})))
				opts := cluster.NodeOptions{Handler: h, StopTimeout: time.Second}
				fixed(t, memtransport.Options{HandlerTimeout: 2 * time.Second}, funcs, opts, func(t *testing.T, c *cluster.Client, end func() error) {
					if notified {
						if err := c.Key("k").Notify(t.Context(), put{1}); err != nil {
							t.Error(err)
						}
					} else {
						go func() { _, _ = cluster.NewRequest[turn, done](c.Key("k")).Request(context.Background(), turn{}) }()
					}
					time.Sleep(100 * time.Millisecond)
					began := time.Now()
					err := end()
					most := 8 * time.Second // HandlerTimeout and a grace of 5 s, StopTimeout
					if funcs {
						most = 43 * time.Second // such a transport does not tell its HandlerTimeout, and 30 s is the default
					}
					if took := time.Since(began); err == nil || !strings.Contains(err.Error(), `key "k" (a message)`) || took > most {
						t.Errorf("handlers only %v, notified %v: the node ends after %v: %v", funcs, notified, took, err)
					}
					time.Sleep(1000 * time.Second)
				})
			}
		}
	})
}
