// Notifications to keys without room, at real nodes

package cluster_test

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/membership/memstore"
	"github.com/clstr-go/clstr/testkit"
)

// TestAsyncWaitsForRoomAtANode: keys whose mailboxes hold two messages are told many, and begin to handle them when one was refused.
// All come, in order, with fixed shards and with live ones that move.
func TestAsyncWaitsForRoomAtANode(t *testing.T) {
	for _, live := range []bool{false, true} {
		t.Run(fmt.Sprintf("live=%t", live), func(t *testing.T) {
			onBoth(t, func(t *testing.T, over testkit.TransportKind) { waitsForRoom(t, over, live) })
		})
	}
}

func waitsForRoom(t *testing.T, over testkit.TransportKind, live bool) {
	const keys, each = 5, 60
	var mu sync.Mutex
	got := map[string][]int{}
	begin := make(chan struct{})
	def := actor.Define("narrow", func(key string) *string { return &key }, actor.OnNotify(func(key *string, _ *actor.Context, m put) error {
		<-begin
		mu.Lock()
		defer mu.Unlock()
		got[*key] = append(got[*key], m.N)
		return nil
	}))
	handler := cluster.NewActorHandlerWithOpts(def.New, cluster.HandlerOptions{MailboxSize: 2})
	open := openers(t, over)
	node := cluster.NodeOptions{NodeID: "a", Transport: open(), NumShards: 4, Handler: handler}
	if live {
		node.Membership = memstore.New()
	} else {
		node.Shards = []uint32{0, 1, 2, 3}
	}
	stop := startNode(t, node)
	client := newClient(t, cluster.ClientOptions{Transport: open(), NumShards: 4})
	var wg sync.WaitGroup
	for k := range keys {
		wg.Go(func() {
			var receipts []*cluster.Receipt
			for i := range each {
				receipts = append(receipts, client.Key(fmt.Sprint("k", k)).NotifyAsync(t.Context(), put{i}))
			}
			for i, r := range receipts {
				if err := r.Wait(t.Context()); err != nil {
					t.Errorf("%d: %v", i, err)
				}
			}
		})
	}
	// A Notify of another client does not wait, and shows when a mailbox is full.
	other := newClient(t, cluster.ClientOptions{Transport: open(), NumShards: 4})
	for k := range keys {
		for cluster.CodeOf(other.Key(fmt.Sprint("k", k)).Notify(t.Context(), put{-1})) != "overloaded" {
			if t.Context().Err() != nil {
				t.Fatal("no mailbox is full")
			}
		}
	}
	close(begin)
	if live {
		next := node
		next.NodeID, next.Transport = "b", open()
		startNode(t, next)
		stop()
	}
	wg.Wait()
	for k := range keys { // behind all of its key
		if err := client.Key(fmt.Sprint("k", k)).NotifyAsync(t.Context(), put{each}).Wait(t.Context()); err != nil {
			t.Error(err)
		}
	}
	eventually(t, "all are handled", func() bool {
		mu.Lock()
		defer mu.Unlock()
		for k := range keys {
			all := got[fmt.Sprint("k", k)]
			if len(all) == 0 || all[len(all)-1] != each {
				return false
			}
		}
		return true
	})
	mu.Lock()
	defer mu.Unlock()
	for key, all := range got {
		next := 0
		for _, n := range all {
			switch {
			case n == next:
				next++
			case n != -1:
				t.Fatalf("%s: %d has come in the place of %d", key, n, next)
			}
		}
	}
}

// TestAsyncInATurnDoesNotWaitForRoom: a turn notifies its own key while other senders wait for room there. The key makes none before
// the turn has ended, so the turn is told at once.
func TestAsyncInATurnDoesNotWaitForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var client *cluster.Client
		entered, goOn, told := make(chan struct{}), make(chan struct{}), make(chan error, 3)
		var took time.Duration
		def := actor.Define("narrow", func(string) *struct{} { return new(struct{}) },
			actor.OnNotify(func(*struct{}, *actor.Context, put) error { return nil }),
			actor.OnNotify(func(_ *struct{}, c *actor.Context, _ add) error {
				close(entered)
				<-goOn
				began, key := time.Now(), client.Key("k")
				told <- key.NotifyAsync(c, put{}).Wait(c)
				told <- key.Notify(c, put{})
				told <- key.NotifyAsync(c, put{}, cluster.WithoutAck()).Wait(c)
				took = time.Since(began)
				return nil
			}))
		c := testkit.NewCluster(t, testkit.ClusterOptions{Nodes: 1, Log: slog.New(slog.DiscardHandler),
			Handler: cluster.NewActorHandlerWithOpts(def.New, cluster.HandlerOptions{MailboxSize: 4})})
		client = c.Client()
		if err := client.Key("k").Notify(t.Context(), add{}); err != nil {
			t.Fatal(err)
		}
		<-entered
		var receipts []*cluster.Receipt
		for range 10 {
			receipts = append(receipts, client.Key("k").NotifyAsync(t.Context(), put{}))
		}
		synctest.Wait()
		close(goOn)
		for i, r := range receipts {
			if err := r.Wait(t.Context()); err != nil {
				t.Errorf("%d: %v", i, err)
			}
		}
		for range 3 {
			wantError(t, <-told, cluster.ErrOverloaded, cluster.NotSent)
		}
		if took != 0 {
			t.Errorf("after %v", took)
		}
	})
}

// TestAsyncInTurnsOfFullKeys: turns notify their own keys while many senders fill these. Every note of a sender comes in, because no
// turn waits for room that there is only when it has ended. It would wait for 30 s.
func TestAsyncInTurnsOfFullKeys(t *testing.T) {
	onBoth(t, func(t *testing.T, over testkit.TransportKind) {
		const senders, rounds, each = 8, 40, 6
		var client *cluster.Client
		var accepted, ended, waited atomic.Int64 // turns
		def := actor.Define("narrow", func(key string) *string { return &key },
			actor.OnNotify(func(*string, *actor.Context, put) error { return nil }),
			actor.OnNotify(func(key *string, c *actor.Context, m add) error {
				began := time.Now()
				for i := range 3 {
					err := client.Key(*key).NotifyAsync(c, put{i}).Wait(c)
					if err == nil || errors.Is(err, cluster.ErrOverloaded) {
						err = client.Key(*key).Notify(c, put{i})
					}
					if err != nil && !errors.Is(err, cluster.ErrOverloaded) {
						t.Error(err)
					}
				}
				if time.Since(began) > 20*time.Second {
					waited.Add(1)
				}
				ended.Add(1)
				return nil
			}))
		open := openers(t, over)
		startNode(t, cluster.NodeOptions{NodeID: "a", Transport: open(), NumShards: 4, Shards: []uint32{0, 1, 2, 3},
			Handler: cluster.NewActorHandlerWithOpts(def.New, cluster.HandlerOptions{MailboxSize: 4})})
		client = newClient(t, cluster.ClientOptions{Transport: open(), NumShards: 4, NotifyWindow: 100})
		var wg sync.WaitGroup
		for s := range senders {
			wg.Go(func() {
				for round := range rounds {
					key := client.Key(fmt.Sprint("k", round%3))
					var receipts []*cluster.Receipt
					for range each {
						if (round+s)%2 == 0 {
							receipts = append(receipts, key.NotifyAsync(t.Context(), put{round}))
						} else {
							accepted.Add(1)
							receipts = append(receipts, key.NotifyAsync(t.Context(), add{round}))
						}
					}
					for _, r := range receipts {
						if err := r.Wait(t.Context()); err != nil {
							t.Error(err)
							return
						}
					}
				}
			})
		}
		wg.Wait()
		eventually(t, "all turns end", func() bool { return ended.Load() == accepted.Load() })
		if n := waited.Load(); n > 0 {
			t.Errorf("%d turns have waited", n)
		}
	})
}
