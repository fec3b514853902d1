package cluster_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/outcome"
)

// firstLook is for how long a client's first call to a shard looks for its node.
const firstLook = 250 * time.Millisecond

// nobody is a transport without a node until serve is set.
func nobody() (tr *fakeTransport, serve *atomic.Bool) {
	serve = new(atomic.Bool)
	return &fakeTransport{reply: func(context.Context, int, cluster.Envelope) ([]byte, error) {
		if serve.Load() {
			return []byte("ok"), nil
		}
		return nil, outcome.Errorf(cluster.ErrTransportNoShardSubscriber, "shard 1")
	}}, serve
}

var shardCalls = map[string]func(context.Context, *cluster.Client, uint32) error{
	"request": func(ctx context.Context, c *cluster.Client, shard uint32) error {
		return errOf(c.RequestShard(ctx, shard, "Get", nil))
	},
	"notification": func(ctx context.Context, c *cluster.Client, shard uint32) error {
		return c.NotifyShard(ctx, shard, "Get", nil)
	},
	"notification without ack": func(ctx context.Context, c *cluster.Client, shard uint32) error {
		return c.NotifyShard(ctx, shard, "Get", nil, cluster.WithoutAck())
	},
}

// TestFirstCallToAShardLooksTwice: the first, and no other.
func TestFirstCallToAShardLooksTwice(t *testing.T) {
	for name, call := range shardCalls {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tr, _ := nobody()
				client := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 128})
				took := func(c *cluster.Client, shard uint32, want time.Duration) {
					t.Helper()
					start := time.Now()
					wantError(t, call(t.Context(), c, shard), cluster.ErrTransportNoShardSubscriber, cluster.NotStarted)
					if d := time.Since(start); d != want {
						t.Errorf("a call to shard %d took %v, want %v", shard, d, want)
					}
				}
				took(client, 1, firstLook)
				took(client, 1, 0)
				took(client, 127, firstLook) // each shard has a first call
				took(client, 65, firstLook)
				took(client, 127, 0)
				took(newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 128}), 1, firstLook) // and each client
			})
		})
	}
}

// TestFirstCallFindsANodeThatStarts: within what it looks for.
func TestFirstCallFindsANodeThatStarts(t *testing.T) {
	for name, call := range shardCalls {
		for _, after := range []time.Duration{0, time.Millisecond, 50 * time.Millisecond, 249 * time.Millisecond} {
			t.Run(name+" "+after.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					tr, serve := nobody()
					time.AfterFunc(after, func() { serve.Store(true) })
					client := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 4})
					if err := call(t.Context(), client, 1); err != nil {
						t.Fatal(err)
					}
					serve.Store(false)
					start := time.Now()
					wantError(t, call(t.Context(), client, 1), cluster.ErrTransportNoShardSubscriber, cluster.NotStarted)
					if d := time.Since(start); d != 0 {
						t.Errorf("a call after one that succeeded took %v", d)
					}
				})
			})
		}
	}
}

// TestFirstCallKeepsItsDeadline: and another error that comes meanwhile ends it.
func TestFirstCallKeepsItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, _ := nobody()
		client := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 4})
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		start := time.Now()
		wantError(t, errOf(client.RequestShard(ctx, 1, "Get", nil)), cluster.ErrTransportNoShardSubscriber, cluster.NotStarted)
		if d := time.Since(start); d > 20*time.Millisecond {
			t.Errorf("took %v with a deadline of 20ms", d)
		}
		gone, leave := context.WithCancel(t.Context())
		time.AfterFunc(time.Millisecond, leave)
		if err := errOf(client.RequestShard(gone, 2, "Get", nil)); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want the caller's own end", err)
		}
		tr.reply = func(_ context.Context, try int, _ cluster.Envelope) ([]byte, error) {
			if len(tr.sent) > 0 && tr.sent[len(tr.sent)-1].Retry {
				return nil, outcome.Errorf(cluster.ErrOverloaded, "full")
			}
			return nil, outcome.Errorf(cluster.ErrTransportNoShardSubscriber, "shard 3")
		}
		wantError(t, errOf(client.RequestShard(t.Context(), 3, "Get", nil)), cluster.ErrOverloaded, cluster.NotStarted)
	})
}

// TestOnlyTheClientLooksTwice: what is asked of the transport itself fails at once.
func TestOnlyTheClientLooksTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := cluster.NewInMemoryTransport().WithLog(quiet)
		defer tr.Close()
		start := time.Now()
		_, err := tr.Request(t.Context(), cluster.Envelope{Shard: 1, Type: "Get"})
		wantError(t, err, cluster.ErrTransportNoShardSubscriber, cluster.NotStarted)
		if d := time.Since(start); d != 0 {
			t.Errorf("took %v", d)
		}
	})
}

// TestFirstCallOnABusyMachine: one that is too busy for the node that starts is too busy
// for the looks as well. What counts is the pauses between them, for two seconds.
func TestFirstCallOnABusyMachine(t *testing.T) {
	for name, call := range shardCalls {
		for look, serves := range map[time.Duration]bool{100 * time.Millisecond: true, time.Second: false} {
			synctest.Test(t, func(t *testing.T) {
				tr, _ := nobody()
				tries := 0
				tr.reply = func(context.Context, int, cluster.Envelope) ([]byte, error) {
					time.Sleep(look)
					if tries++; tries > 5 {
						return nil, nil
					}
					return nil, outcome.Errorf(cluster.ErrTransportNoShardSubscriber, "shard 1")
				}
				client, start := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 4}), time.Now()
				if err := call(t.Context(), client, 1); serves != (err == nil) || time.Since(start) > 4*time.Second {
					t.Errorf("%s, a look takes %v: %v after %v", name, look, err, time.Since(start))
				}
			})
		}
	}
}
