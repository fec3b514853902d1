// Receipts that a turn waits for while another shard, whose turn waits for that turn, is handed over

package cluster_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/sharding"
	"github.com/clstr-go/clstr/testkit"
)

// TestReceiptFromAfar: the turn of a shard that is handed over asks a key of another node, whose turn tells keys of the first
// shard something, and waits for the last receipt, or calls one that it has told. The move waits for both turns, so the notifications must not wait for the move.
func TestReceiptFromAfar(t *testing.T) {
	for what, last := range map[string]func(*cluster.ScopedClient, context.Context, put) error{
		"a receipt": func(to *cluster.ScopedClient, ctx context.Context, m put) error {
			return to.NotifyAsync(ctx, m).Wait(ctx)
		},
		"a call behind notifications": func(to *cluster.ScopedClient, ctx context.Context, m put) error { return to.Notify(ctx, m) },
	} {
		t.Run(what, func(t *testing.T) { receiptFromAfar(t, last) })
	}
}

func receiptFromAfar(t *testing.T, last func(*cluster.ScopedClient, context.Context, put) error) {
	synctest.Test(t, func(t *testing.T) {
		lc := newLiving(t)
		defer lc.close()
		client := lc.client()
		entered, release := make(chan struct{}), make(chan struct{})
		var mu sync.Mutex
		var noted []int
		var far, told string // keys
		start := func(name string) *livingNode {
			def := actor.Define("teller", func(string) *struct{} { return new(struct{}) },
				actor.OnNotify(func(_ *struct{}, _ *actor.Context, m put) error {
					mu.Lock()
					defer mu.Unlock()
					noted = append(noted, m.N)
					return nil
				}),
				actor.OnRequest(func(_ *struct{}, c *actor.Context, in add) (atNode, error) {
					var err error
					switch in.N {
					case 1:
						_, err = cluster.NewRequest[add, atNode](client.Key(far)).Request(c, add{2})
					case 2:
						entered <- struct{}{}
						<-release
						for i := range 5 {
							client.Key(told).NotifyAsync(c, put{i})
						}
						err = last(client.Key(told), c, put{5})
					}
					return atNode{name}, err
				}))
			n := lc.startWith(cluster.NodeOptions{NodeID: name, Handler: cluster.NewActorHandler(def.New)})
			<-n.Ready()
			return n
		}
		first, second := start("a"), start("b")
		time.Sleep(10 * time.Second) // of the bubble: the shards are spread
		on := map[string]string{}    // the first key of each node
		for i := 0; len(on) < 2; i++ {
			at, err := cluster.NewRequest[add, atNode](client.Key(fmt.Sprint(i))).Request(context.Background(), add{0})
			if err != nil {
				t.Fatal(err)
			}
			if on[at.Node] == "" {
				on[at.Node] = fmt.Sprint(i)
			}
		}
		of := sharding.Layout{NumShards: livingShards}
		near := on["a"]
		far, told = on["b"], "other"
		for i := 0; of.Shard(told) != of.Shard(near); i++ {
			told = fmt.Sprint("other", i)
		}
		done := make(chan error, 1)
		go func() { // ends with the request
			_, err := cluster.NewRequest[add, atNode](client.Key(near)).Request(context.Background(), add{1})
			done <- err
		}()
		<-entered
		ended := lc.handsOver(first)
		began := time.Now()
		close(release)
		if err := <-done; err != nil || time.Since(began) > 3*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		<-ended
		lc.end(second)
		if fmt.Sprint(noted) != "[0 1 2 3 4 5]" {
			t.Errorf("told %v", noted)
		}
	})
}

type atNode struct{ Node string }

// TestReceiptFromAfarByEachTransport is TestReceiptFromAfar by both transports.
func TestReceiptFromAfarByEachTransport(t *testing.T) {
	testkit.EachTransport(t, func(t *testing.T, tr testkit.TransportKind) {
		var client *cluster.Client
		var near, far, told string // keys; told is of near's shard
		var shard uint32
		asking := make(chan context.Context, 1) // the context of near's turn
		entered, release := make(chan struct{}), make(chan struct{})
		var noted atomic.Int32
		def := actor.Define("teller", func(string) *struct{} { return new(struct{}) },
			actor.OnNotify(func(*struct{}, *actor.Context, put) error { noted.Add(1); return nil }),
			actor.OnRequest(func(_ *struct{}, c *actor.Context, in add) (total, error) {
				var err error
				if in.N == 1 {
					asking <- c
					_, err = cluster.NewRequest[add, total](client.Key(far)).Request(c, add{2})
					return total{1}, err
				}
				close(entered)
				<-release
				for range 5 {
					client.Key(told).NotifyAsync(c, put{1})
				}
				return total{2}, client.Key(told).NotifyAsync(c, put{1}).Wait(c)
			}))
		c := testkit.NewCluster(t, testkit.ClusterOptions{Transport: tr, Nodes: 2, NumShards: 8, Live: true, Timing: noLeaseEnds,
			Handler: cluster.NewActorHandler(def.New), Log: quiet})
		client = c.Client()
		for i := 0; near == "" || far == "" || told == ""; i++ {
			key := fmt.Sprint("k", i)
			switch on := c.Owner(key) == c.Nodes()[0]; {
			case on && near == "":
				near, shard = key, c.Shard(key)
			case on && told == "" && c.Shard(key) == shard:
				told = key
			case !on && far == "":
				far = key
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		done := make(chan error, 1)
		go func() { // ends with the request
			_, err := cluster.NewRequest[add, total](client.Key(near)).Request(ctx, add{1})
			done <- err
		}()
		turn := <-asking
		<-entered
		ended := make(chan struct{})
		go func() { // ends with the node
			c.StopNode(c.Nodes()[0])
			close(ended)
		}()
		again := time.NewTicker(time.Millisecond)
		defer again.Stop()
		for !dispatch.HandsOver(turn, shard) && ctx.Err() == nil {
			<-again.C
		}
		close(release)
		if err := <-done; err != nil {
			t.Error(err)
		}
		for noted.Load() < 6 && ctx.Err() == nil { // what was accepted is still to be handled
			<-again.C
		}
		if <-ended; noted.Load() != 6 {
			t.Errorf("%d were told", noted.Load())
		}
	})
}
