package cluster_test

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/memtransport"
)

// onlyFuncs is a transport whose subscriptions are handlers.
type onlyFuncs struct{ transport.Transport }

// fixed runs a test with a node that serves a fixed list of shards, and ends it in the
// middle: end returns what Run does.
func fixed(t *testing.T, o memtransport.Options, funcs bool, opts cluster.NodeOptions, test func(t *testing.T, c *cluster.Client, end func() error)) {
	synctest.Test(t, func(t *testing.T) {
		mem := memtransport.New(o)
		opts.NodeID, opts.Transport, opts.NumShards, opts.Shards, opts.Log = "a", mem, 2, []uint32{0, 1}, slog.New(slog.DiscardHandler)
		if funcs {
			opts.Transport = onlyFuncs{mem}
		}
		end, err := cluster.NewNode(opts).Start(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c, err := cluster.NewClient(cluster.ClientOptions{Transport: mem, NumShards: 2})
		if err != nil {
			t.Fatal(err)
		}
		test(t, c, end)
		if err := mem.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestNotificationsAtTheEnd: those that were acknowledged run before a node has ended,
// also behind a middleware on a transport that knows handlers only.
func TestNotificationsAtTheEnd(t *testing.T) {
	behind(t, func(t *testing.T, mw middleware) {
		for _, funcs := range []bool{false, true} {
			var ran atomic.Int64
			h := mw(entity("a", actor.OnNotify(func(*struct{}, *actor.Context, put) error {
				time.Sleep(20 * time.Millisecond)
				ran.Add(1)
				return nil
			})))
			fixed(t, memtransport.Options{}, funcs, cluster.NodeOptions{Handler: h}, func(t *testing.T, c *cluster.Client, end func() error) {
				for range 20 { // the first is the first that the handler passes on
					if err := c.Key("k").Notify(t.Context(), put{1}); err != nil {
						t.Error(err)
					}
				}
				if err := end(); err != nil || ran.Load() != 20 {
					t.Errorf("handlers only %v: of 20 acknowledged %d ran, and the node ends with %v", funcs, ran.Load(), err)
				}
			})
		}
	})
}

// TestNotificationThatWaitsForItsTimeout: the handler timeout ends it at a node's end too.
func TestNotificationThatWaitsForItsTimeout(t *testing.T) {
	behind(t, func(t *testing.T, mw middleware) {
		for _, funcs := range []bool{false, true} {
			h := mw(entity("a", actor.OnNotify(func(_ *struct{}, c *actor.Context, _ put) error { <-c.Done(); return c.Err() })))
			fixed(t, memtransport.Options{HandlerTimeout: 2 * time.Second}, funcs, cluster.NodeOptions{Handler: h}, func(t *testing.T, c *cluster.Client, end func() error) {
				if err := c.Key("k").Notify(t.Context(), put{1}); err != nil {
					t.Error(err)
				}
				time.Sleep(100 * time.Millisecond)
				if err := end(); err != nil {
					t.Error(err)
				}
			})
		}
	})
}

// TestPartsHaveTheirOwnTime: a handler that passes a notification on late, and an actor
// that takes its time for it, both keep the handler timeout: a node's end waits for both.
func TestPartsHaveTheirOwnTime(t *testing.T) {
	var ran atomic.Int64
	actors := entity("a", actor.OnNotify(func(*struct{}, *actor.Context, put) error {
		time.Sleep(25 * time.Second)
		ran.Add(1)
		return nil
	}))
	late := func(ctx context.Context, env cluster.Envelope) ([]byte, error) {
		time.Sleep(25 * time.Second)
		return actors(ctx, env)
	}
	fixed(t, memtransport.Options{}, false, cluster.NodeOptions{Handler: late}, func(t *testing.T, c *cluster.Client, end func() error) {
		if err := c.Key("k").Notify(t.Context(), put{1}); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		if err := end(); err != nil || ran.Load() != 1 {
			t.Errorf("%d have run, and the node ends with %v", ran.Load(), err)
		}
	})
}

// TestTurnWithoutACallerAtTheEnd: a turn whose caller has left is waited for as any
// other, so that its key can save what it has.
func TestTurnWithoutACallerAtTheEnd(t *testing.T) {
	behind(t, func(t *testing.T, mw middleware) {
		var saved atomic.Int64
		h := mw(entity("a", takes(5*time.Second), actor.OnPassivate(func(_ *struct{}, c *actor.Context) error {
			if c.Err() == nil {
				saved.Add(1)
			}
			return nil
		})))
		fixed(t, memtransport.Options{}, false, cluster.NodeOptions{Handler: h, StopTimeout: time.Second}, func(t *testing.T, c *cluster.Client, end func() error) {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			if _, err := cluster.NewRequest[turn, done](c.Key("k")).Request(ctx, turn{}); cluster.OutcomeOf(err) != cluster.MaybeRan {
				t.Errorf("%v (%v)", err, cluster.OutcomeOf(err))
			}
			time.Sleep(10 * time.Millisecond)
			if err := end(); err != nil || saved.Load() != 1 {
				t.Errorf("%d keys have saved what they had, and the node ends with %v", saved.Load(), err)
			}
		})
	})
}

// TestPassedOnAtTheEnd: what a goroutine of a middleware passes on while the node ends
// runs, or is refused.
func TestPassedOnAtTheEnd(t *testing.T) {
	var accepted, ran atomic.Int64
	h := entity("a", takes(3*time.Second), actor.OnNotify(func(*struct{}, *actor.Context, put) error {
		time.Sleep(100 * time.Millisecond)
		ran.Add(1)
		return nil
	}))
	detached := func(ctx context.Context, env cluster.Envelope) ([]byte, error) {
		if env.Delivery == transport.AwaitReply {
			return h(ctx, env)
		}
		go func() { // ends soon
			for range 10 { // some before the node ends
				time.Sleep(3 * time.Millisecond)
				if _, err := h(context.WithoutCancel(ctx), env); err == nil {
					accepted.Add(1)
				}
			}
		}()
		return nil, nil
	}
	fixed(t, memtransport.Options{}, false, cluster.NodeOptions{Handler: detached}, func(t *testing.T, c *cluster.Client, end func() error) {
		for _, key := range []string{"a", "b", "c", "d"} { // of both shards
			if err := c.Key(key).Notify(t.Context(), put{1}); err != nil {
				t.Error(err)
			}
			go func() { _, _ = cluster.NewRequest[turn, done](c.Key(key)).Request(context.Background(), turn{}) }()
		}
		time.Sleep(10 * time.Millisecond)
		if err := end(); err != nil || accepted.Load() == 0 || accepted.Load() == 40 || accepted.Load() != ran.Load() {
			t.Errorf("of %d accepted %d ran, and the node ends with %v", accepted.Load(), ran.Load(), err)
		}
	})
}

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
