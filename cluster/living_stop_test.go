package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/transport/memtransport"
)

// silentStore does not answer from when the layout was written.
type silentStore struct {
	membership.Store
	silent atomic.Bool
}

func (s *silentStore) Write(ctx context.Context, key string, rev uint64, value []byte) (uint64, error) {
	if s.silent.Load() {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	defer s.silent.Store(true)
	return s.Store.Write(ctx, key, rev, value)
}

// TestStopWhileJoiningWithoutAStore: a node that has nothing to hand over ends
// soon, whether the store answers or not.
func TestStopWhileJoiningWithoutAStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lc := newLiving(t)
		defer lc.close()
		a := lc.startOn(cluster.NodeOptions{NodeID: "a", Handler: echoData, Membership: &silentStore{Store: lc.store}})
		time.Sleep(600 * time.Millisecond)
		began := time.Now()
		a.stop()
		err := <-a.ended
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("the node ends after %v: %v", took, err)
		}
	})
}

// TestStopWithAStuckHandler: the end of a node is bounded, and tells what goes on,
// also where handlers may run for as long as they like.
func TestStopWithAStuckHandler(t *testing.T) {
	for _, timeout := range []time.Duration{0, -1} {
		synctest.Test(t, func(t *testing.T) {
			lc := newLiving(t)
			defer lc.close()
			lc.tr = memtransport.New(memtransport.Options{HandlerTimeout: timeout})
			runs, release := make(chan struct{}), make(chan struct{})
			a := lc.startOn(cluster.NodeOptions{
				NodeID: "a", DrainTimeout: time.Second, StopTimeout: 5 * time.Second,
				Handler: func(context.Context, cluster.Envelope) ([]byte, error) { close(runs); <-release; return nil, nil },
			})
			<-a.Ready()
			call := make(chan error)
			go func() { // ends with the call
				_, err := lc.client().RequestKey(context.Background(), "k", "Stuck", nil)
				call <- err
			}()
			<-runs
			began := time.Now()
			a.stop()
			select {
			case err := <-a.ended:
				if !errors.Is(err, cluster.ErrHandlerTimeout) || !strings.Contains(err.Error(), "1 calls have not finished") {
					t.Errorf("handler timeout %v: the node ends with %v", timeout, err)
				}
			case <-time.After(time.Minute):
				t.Errorf("handler timeout %v: the node has not ended", timeout)
			}
			if took := time.Since(began); took > 12*time.Second {
				t.Errorf("handler timeout %v: the end takes %v", timeout, took)
			}
			close(release)
			if err := <-call; err != nil && cluster.OutcomeOf(err) != cluster.MaybeRan {
				t.Errorf("the caller is told %v (%v)", err, cluster.OutcomeOf(err))
			}
		})
	}
}

// TestBacklogLongerThanADrain: of acknowledged notifications that do not come to
// their end within DrainTimeout, those that have not run are lost. Each is counted,
// and the node says so.
func TestBacklogLongerThanADrain(t *testing.T) {
	behind(t, func(t *testing.T, mw middleware) {
		synctest.Test(t, func(t *testing.T) {
			lc := newLiving(t)
			defer lc.close()
			keys := keysOf(1, "a", "a", "b")
			const sent = 900
			var ran atomic.Int64
			m := &lost{ClusterMetrics: cluster.NopClusterMetrics()}
			a, b := lc.pair(func(node string) cluster.NodeOptions {
				return cluster.NodeOptions{Metrics: m, DrainTimeout: 10 * time.Second, Handler: mw(entity(node, actor.OnNotify(func(*struct{}, *actor.Context, put) error {
					time.Sleep(20 * time.Millisecond)
					ran.Add(1)
					return nil
				})))}
			})
			for range sent {
				if err := lc.client().Key(keys[0]).Notify(t.Context(), put{1}); err != nil {
					t.Error(err)
				}
			}
			a.stop()
			if err := <-a.ended; !errors.Is(err, cluster.ErrHandlerTimeout) || !strings.Contains(err.Error(), "have not finished") {
				t.Errorf("the node ends with %v", err)
			}
			if by := lc.whereis(keys[0]); by != "b" {
				t.Errorf("the key is with %s", by)
			}
			if ran.Load() < 300 || ran.Load()+m.failed.Load() != sent {
				t.Errorf("of %d acknowledged %d have run, and %d are counted as failed", sent, ran.Load(), m.failed.Load())
			}
			if m.refused.Load() != 0 {
				t.Errorf("%d are counted as refused as well", m.refused.Load())
			}
			if cost := lc.costs("a"); int64(cost.Lost) != sent-ran.Load() || cost.Dropped != 0 {
				t.Errorf("the records say %+v", cost)
			}
			lc.end(b)
		})
	})
}

// TestShardComesBackToAStuckHook: a stop hook that hangs keeps its key closed when
// the shard comes back to the node, and no other.
func TestShardComesBackToAStuckHook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lc := newLiving(t)
		defer lc.close()
		keys := keysOf(2, "b", "a", "b")
		release := make(chan struct{})
		start := func(node string) *livingNode {
			return lc.startOn(cluster.NodeOptions{NodeID: node, Handler: entity(node, actor.OnPassivate(func(_ *struct{}, c *actor.Context) error {
				if node == "a" && c.Key() == keys[0] {
					<-release
				}
				return nil
			}))})
		}
		a := start("a")
		<-a.Ready()
		lc.whereis(keys[0])
		b := start("b")
		<-b.Ready()
		time.Sleep(20 * time.Second)
		if by := lc.whereis(keys[0]); by != "b" {
			t.Errorf("the key has moved to %s", by)
		}
		lc.end(b)
		if by := lc.whereis(keys[1]); by != "a" {
			t.Errorf("another key of the shard is with %s", by)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		_, err := cluster.NewRequest[where, done](lc.client().Key(keys[0])).Request(ctx, where{})
		cancel()
		if !errors.Is(err, cluster.ErrOverloaded) || cluster.OutcomeOf(err) != cluster.NotStarted {
			t.Errorf("who asks for the closed key is told %v (%v)", err, cluster.OutcomeOf(err))
		}
		close(release)
		time.Sleep(time.Second)
		if by := lc.whereis(keys[0]); by != "a" {
			t.Errorf("when the hook has returned the key is with %s", by)
		}
		lc.end(a)
	})
}

// deafTransport cannot subscribe.
type deafTransport struct{ *memtransport.Transport }

var errDeaf = errors.New("not permitted")

func (t deafTransport) Backend() dispatch.Backend { return deafBackend{t.Transport.Backend()} }

type deafBackend struct{ dispatch.Backend }

// Subscribe implements dispatch.Backend.
func (deafBackend) Subscribe(context.Context, uint32, dispatch.Subscriber) (*dispatch.Sub, error) {
	return nil, errDeaf
}

// TestNodeThatCannotSubscribe: it gives its shards away and ends, and says why.
func TestNodeThatCannotSubscribe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lc := newLiving(t)
		defer lc.close()
		a := lc.startOn(cluster.NodeOptions{NodeID: "a", Handler: echoData})
		<-a.Ready()
		deaf := lc.startOn(cluster.NodeOptions{NodeID: "b", Handler: echoData, Transport: deafTransport{lc.tr}})
		select {
		case err := <-deaf.ended:
			if !errors.Is(err, errDeaf) {
				t.Errorf("the node ends with %v", err)
			}
		case <-time.After(time.Minute):
			t.Error("the node goes on")
			deaf.stop()
			<-deaf.ended
		}
		for shard := range uint32(livingShards) {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			if _, err := lc.client().RequestShard(ctx, shard, "Echo", nil); err != nil {
				t.Errorf("shard %d: %v", shard, err)
			}
			cancel()
		}
		lc.end(a)
	})
}

// TestMovesLeaveNothing: shards that come and go leave no memory behind.
func TestMovesLeaveNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lc := newLiving(t)
		defer lc.close()
		a := lc.startOn(cluster.NodeOptions{NodeID: "a", Handler: entity("a")})
		<-a.Ready()
		ask := func() {
			for i := range 1000 {
				lc.whereis(fmt.Sprint("key-", i))
			}
		}
		var heap [10]uint64
		for round := range heap {
			ask()
			b := lc.startOn(cluster.NodeOptions{NodeID: fmt.Sprint("b", round), Handler: entity("b")})
			<-b.Ready()
			ask()
			lc.end(b)
			time.Sleep(20 * time.Second)
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			heap[round] = m.HeapAlloc
		}
		if grown := int64(heap[9]) - int64(heap[1]); grown > 1<<20 {
			t.Errorf("bytes in use after each round: %d", heap)
		}
		lc.end(a)
	})
}
