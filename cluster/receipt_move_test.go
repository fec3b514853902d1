package cluster_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/sharding"
)

// TestReceiptInAMove: a turn tells another key of its shard something and waits for the receipt, while the shard is handed
// over. The move waits for the turn, so the notification must not wait for the move.
func TestReceiptInAMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lc := newLiving(t)
		defer lc.close()
		client := lc.client()
		of := sharding.Layout{NumShards: livingShards}
		const key = "key-7"
		other := 0
		for of.Shard(fmt.Sprint(other)) != of.Shard(key) {
			other++
		}
		entered, release, noted := make(chan struct{}), make(chan struct{}), make(chan struct{}, 1)
		def := actor.Define("teller", func(string) *struct{} { return new(struct{}) },
			actor.OnNotify(func(*struct{}, *actor.Context, put) error { noted <- struct{}{}; return nil }),
			actor.OnRequest(func(_ *struct{}, c *actor.Context, _ add) (total, error) {
				entered <- struct{}{}
				<-release
				return total{1}, client.Key(fmt.Sprint(other)).NotifyAsync(c, put{1}).Wait(c)
			}))
		start := func(name string) *livingNode {
			n := lc.startWith(cluster.NodeOptions{NodeID: name, Handler: cluster.NewActorHandler(def.New)})
			<-n.Ready()
			return n
		}
		first := start("a")
		told := make(chan error, 1)
		go func() { // ends with the request
			_, err := cluster.NewRequest[add, total](client.Key(key)).Request(context.Background(), add{1})
			told <- err
		}()
		<-entered
		second := start("b")
		ended := lc.handsOver(first)
		began := time.Now()
		close(release)
		if err := <-told; err != nil || time.Since(began) > time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		<-noted
		<-ended
		lc.end(second)
	})
}

// handsOver begins the end of a node, and returns in the middle of it, when its shards are being handed over. The channel is
// closed when the node has ended.
func (lc *livingCluster) handsOver(n *livingNode) (ended <-chan struct{}) {
	over := make(chan struct{})
	go func() { // ends with the node
		lc.end(n)
		close(over)
	}()
	synctest.Wait()
	time.Sleep(time.Second) // of the bubble
	return over
}
