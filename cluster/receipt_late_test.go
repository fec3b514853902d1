// Receipts that a turn waits for, where the move begins after its notification was looked at

package cluster_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/sharding"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/memstate"
)

// lateStore stores the first change when hold is closed.
type lateStore struct {
	*memstate.Store
	hold chan struct{}
	n    atomic.Int32
}

// Commit implements [state.Store].
func (s *lateStore) Commit(c state.Change, done func(state.Rev, error)) {
	if s.n.Add(1) > 1 {
		s.Store.Commit(c, done)
		return
	}
	go func() { // ends with hold
		<-s.hold
		s.Store.Commit(c, done)
	}()
}

// teller is a durable entity that tells another key something.
type teller struct{ N int }

// TestReceiptOfALateNotification: the turn of a durable entity tells a key of its shard something, and waits for the receipt.
// The notification may leave only when an earlier change is stored, and by then the shard is being handed over.
func TestReceiptOfALateNotification(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lc := newLiving(t)
		defer lc.close()
		client := lc.client()
		store := &lateStore{Store: memstate.New(), hold: make(chan struct{})}
		of := sharding.Layout{NumShards: livingShards}
		const key = "key-7"
		other := 0
		for of.Shard(fmt.Sprint(other)) != of.Shard(key) {
			other++
		}
		noted := make(chan struct{}, 1)
		def := actor.Define("teller", func(string) *teller { return new(teller) }, actor.Durable(actor.Persistence{}),
			actor.OnNotify(func(*teller, *actor.Context, put) error { noted <- struct{}{}; return nil }),
			actor.OnRequest(func(e *teller, c *actor.Context, m add) (total, error) {
				if e.N += m.N; e.N == 1 {
					return total{1}, nil
				}
				return total{e.N}, client.Kind("teller").Key(fmt.Sprint(other)).NotifyAsync(c, put{1}).Wait(c)
			}))
		start := func(name string) *livingNode {
			n := lc.startWith(cluster.NodeOptions{NodeID: name, State: store, Kinds: map[string]cluster.ServerHandlerFunc{"teller": cluster.NewActorHandler(def.New)}})
			<-n.Ready()
			return n
		}
		first := start("a")
		told := make(chan error, 2)
		for range 2 {
			go func() { // ends with the request
				_, err := cluster.NewRequest[add, total](client.Kind("teller").Key(key)).Request(context.Background(), add{1})
				told <- err
			}()
			synctest.Wait()
		}
		second := start("b")
		ended := lc.handsOver(first)
		began := time.Now()
		close(store.hold)
		for range 2 {
			if err := <-told; err != nil || time.Since(began) > 3*time.Second {
				t.Errorf("after %v: %v", time.Since(began), err)
			}
		}
		<-noted
		<-ended
		lc.end(second)
	})
}
