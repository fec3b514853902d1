package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/clstr-go/clstr/cluster"
)

// liveKeys counts the actors of each key, and what was handled.
type liveKeys struct {
	mu   sync.Mutex
	made map[string]int
	seen int
}

func (l *liveKeys) handler() cluster.ServerHandlerFunc {
	return cluster.NewKeyHandler(func(key string) (cluster.ServerHandlerFunc, error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.made == nil {
			l.made = map[string]int{}
		}
		l.made[key]++
		return func(context.Context, cluster.Envelope) ([]byte, error) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.seen++
			return nil, nil
		}, nil
	})
}

// TestLayoutMismatch: callers that hash differently reach no key, so that none
// is ever activated in two places.
func TestLayoutMismatch(t *testing.T) {
	for _, knows := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) { // the client looks twice for a shard that nobody has
			tr := cluster.CreateInMemoryTransport(t)
			var keys liveKeys
			ids := []string{"n0", "n1"}
			for _, id := range ids {
				opts := cluster.NodeOptions{NodeID: id, Transport: tr, Handler: keys.handler(), Shards: cluster.ShardsForNode(id, ids, 16, "seed")}
				if knows {
					opts.NumShards, opts.Seed = 16, "seed"
				}
				startNode(t, opts)
			}
			client := func(shards uint32, seed string) *cluster.Client {
				return newClient(t, cluster.ClientOptions{Transport: tr, NumShards: shards, Seed: seed})
			}
			right := client(16, "seed")
			const n = 100
			for i := range n {
				if _, err := right.RequestKey(t.Context(), fmt.Sprint("key-", i), "Get", nil); err != nil {
					t.Fatal(err)
				}
			}
			for name, wrong := range map[string]*cluster.Client{
				"fewer shards": client(8, "seed"), "more shards": client(32, "seed"),
				"other seed": client(16, "other"), "no seed": client(16, ""),
			} {
				for i := range n {
					_, err := wrong.RequestKey(t.Context(), fmt.Sprint("key-", i), "Get", nil)
					if errors.Is(err, cluster.ErrTransportNoShardSubscriber) && name == "more shards" {
						continue // a shard that nobody has
					}
					if !errors.Is(err, cluster.ErrLayoutMismatch) || cluster.OutcomeOf(err) != cluster.NotStarted {
						t.Fatalf("node knows %v, %s: got %v, want ErrLayoutMismatch, not started", knows, name, err)
					}
				}
				if err := wrong.NotifyKey(t.Context(), "key-0", "Get", nil); name != "more shards" && !errors.Is(err, cluster.ErrLayoutMismatch) {
					t.Errorf("node knows %v, %s: notify got %v", knows, name, err)
				}
			}
			if keys.seen != n {
				t.Errorf("%d messages were handled, want %d", keys.seen, n)
			}
			for key, made := range keys.made {
				if made != 1 {
					t.Errorf("%s was activated %d times", key, made)
				}
			}
		})
	}
}

// TestLayoutIsLearntOnce: nodes on one transport that were not told how keys map to
// shards learn it together, from the first caller or from one of them that knows it,
// until the last of them has ended.
func TestLayoutIsLearntOnce(t *testing.T) {
	for _, oneKnows := range []bool{true, false} {
		t.Run(fmt.Sprintf("one knows %v", oneKnows), func(t *testing.T) {
			tr := cluster.CreateInMemoryTransport(t)
			for _, seed := range []string{"seed", "new"} {
				var keys liveKeys
				var log logBuffer
				var ends []func() error
				ids := []string{"n0", "n1"}
				for i, id := range ids {
					opts := cluster.NodeOptions{
						NodeID: id, Transport: tr, Handler: keys.handler(), Shards: cluster.ShardsForNode(id, ids, 16, seed),
						Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn})),
					}
					if oneKnows && i == 0 {
						opts.NumShards, opts.Seed = 16, seed
					}
					end, err := cluster.NewNode(opts).Start(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					ends = append(ends, end)
				}
				right := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 16, Seed: seed})
				wrong := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 16, Seed: "other"})
				for i := range 100 {
					_, err := right.RequestKey(t.Context(), fmt.Sprint("key-", i), "Get", nil)
					if err != nil {
						t.Errorf("the caller that is right: %v", err)
					}
					if _, err = wrong.RequestKey(t.Context(), fmt.Sprint("key-", i), "Get", nil); !errors.Is(err, cluster.ErrLayoutMismatch) {
						t.Errorf("the caller that is wrong: %v", err)
					}
				}
				for key, made := range keys.made {
					if made != 1 {
						t.Errorf("%s was activated %d times", key, made)
					}
				}
				for _, end := range ends {
					if err := end(); err != nil {
						t.Error(err)
					}
				}
				want := 1
				if oneKnows {
					want = 0
				}
				if n := strings.Count(log.String(), "has adopted its first caller"); n != want {
					t.Errorf("%d warnings, want %d:\n%s", n, want, log.String())
				}
			}
		})
	}
}

// TestWhoKnowsTheLayoutCorrects: what nodes have learnt from a caller that is wrong
// holds until a node comes that was told.
func TestWhoKnowsTheLayoutCorrects(t *testing.T) {
	tr := cluster.CreateInMemoryTransport(t)
	startNode(t, cluster.NodeOptions{Transport: tr, Handler: echoData, Shards: []uint32{0, 1}})
	ask := func(shards uint32) error {
		c := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: shards})
		for i := range 100 { // a key of a shard that the first node has
			if key := fmt.Sprint(i); cluster.ShardFromString(key, shards, "") == 0 {
				_, err := c.RequestKey(t.Context(), key, "Get", nil)
				return err
			}
		}
		return errors.New("no key")
	}
	if err := ask(3); err != nil {
		t.Errorf("the first caller, who is wrong: %v", err)
	}
	var log logBuffer
	startNode(t, cluster.NodeOptions{Transport: tr, Handler: echoData, NumShards: 4, Shards: []uint32{2}, Log: slog.New(slog.NewTextHandler(&log, nil))})
	startNode(t, cluster.NodeOptions{Transport: tr, Handler: echoData, Shards: []uint32{3}})
	if right, wrong := ask(4), ask(3); right != nil || !errors.Is(wrong, cluster.ErrLayoutMismatch) {
		t.Errorf("who is right: %v, who is wrong: %v", right, wrong)
	}
	if !strings.Contains(log.String(), "had adopted another layout") {
		t.Errorf("not told: %s", log.String())
	}
}

func TestLayoutMismatchSaysWhatDiffers(t *testing.T) {
	for _, c := range []struct {
		node   cluster.NodeOptions
		client cluster.ClientOptions
		words  []string
	}{
		{cluster.NodeOptions{NumShards: 4}, cluster.ClientOptions{NumShards: 2}, []string{"caller has 2 shards", "node 4"}},
		{cluster.NodeOptions{NumShards: 4, Seed: "a"}, cluster.ClientOptions{NumShards: 4, Seed: "b"}, []string{"another seed"}},
		{cluster.NodeOptions{}, cluster.ClientOptions{NumShards: 2}, []string{"caller has 2 shards", "owns shard 3"}},
	} {
		client := serve(t, echoData, func(n *cluster.NodeOptions, o *cluster.ClientOptions) {
			n.NumShards, n.Seed, o.NumShards, o.Seed = c.node.NumShards, c.node.Seed, c.client.NumShards, c.client.Seed
		})
		_, err := client.RequestKey(t.Context(), "k", "Get", nil)
		wantError(t, err, cluster.ErrLayoutMismatch, cluster.NotStarted)
		for _, w := range c.words {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%q does not say %q", err, w)
			}
		}
	}
}

// TestWrongShardOfAKey: a sender that does not tell its layout is checked where
// the node knows its own.
func TestWrongShardOfAKey(t *testing.T) {
	tr := cluster.CreateInMemoryTransport(t)
	var keys liveKeys
	startNode(t, cluster.NodeOptions{Transport: tr, NumShards: 4, Shards: []uint32{0, 1, 2, 3}, Handler: keys.handler()})
	right := cluster.ShardFromString("k", 4, "")
	for shard := range uint32(4) {
		_, err := tr.Request(t.Context(), cluster.Envelope{Shard: int(shard), Key: "k", Type: "Get"})
		if shard == right && err != nil {
			t.Errorf("the right shard: %v", err)
		}
		if shard != right {
			wantError(t, err, cluster.ErrLayoutMismatch, cluster.NotStarted)
		}
	}
	if keys.made["k"] != 1 {
		t.Errorf("activated %d times", keys.made["k"])
	}
}

func TestTargetsThatCannotBe(t *testing.T) {
	tr := &fakeTransport{reply: func(context.Context, int, cluster.Envelope) ([]byte, error) { return nil, nil }}
	client := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 4})
	ctx := t.Context()
	for name, err := range map[string]error{
		"RequestShard": errOf(client.RequestShard(ctx, 4, "Get", nil)),
		"NotifyShard":  client.NotifyShard(ctx, 4, "Get", nil),
		"Shard":        errOf(client.Shard(1<<31).Request(ctx, touch{})),
	} {
		wantError(t, err, cluster.ErrShardOutOfRange, cluster.NotSent)
		if !strings.Contains(err.Error(), "0 to 3 allowed") {
			t.Errorf("%s: %q does not say what is allowed", name, err)
		}
	}
	for _, err := range []error{
		errOf(client.RequestKey(ctx, "", "Get", nil)),
		client.NotifyKey(ctx, "", "Get", nil),
		errOf(client.Key("").Request(ctx, touch{})),
		client.Key("").Notify(ctx, touch{}),
		errOf(client.Kind("account").Key("").Request(ctx, touch{})),
	} {
		wantError(t, err, cluster.ErrKeyRequired, cluster.NotSent)
	}
	if n := tr.tries(); n != 0 {
		t.Errorf("%d envelopes were sent", n)
	}
	keyed := serve(t, cluster.NewKeyHandler(func(string) (cluster.ServerHandlerFunc, error) { return echoData, nil }))
	_, err := keyed.RequestShard(ctx, 0, "Get", nil)
	wantError(t, err, cluster.ErrMissingKeyHeader, cluster.NotStarted)
}

func errOf(_ []byte, err error) error { return err }
