package cluster_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/transport/memtransport"
)

// pair starts nodes "a" and "b", and returns when each has its shards. They differ
// in what of says.
func (lc *livingCluster) pair(of func(node string) cluster.NodeOptions) (a, b *livingNode) {
	start := func(node string) *livingNode {
		opts := of(node)
		opts.NodeID = node
		return lc.startOn(opts)
	}
	a, b = start("a"), start("b")
	<-a.Ready()
	<-b.Ready()
	time.Sleep(20 * time.Second)
	return a, b
}

// forward asks another key where it is.
type forward struct{ To string }

// TestNestedCallInADrainingShard: a handler that asks a key of its own shard, which
// has begun to drain, gets its answer; others wait for the next owner. The move
// takes no longer than the handlers.
func TestNestedCallInADrainingShard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lc := newLiving(t)
		defer lc.close()
		keys := keysOf(3, "a", "a", "b")
		running, moves := make(chan struct{}), make(chan struct{})
		a, b := lc.pair(func(node string) cluster.NodeOptions {
			return cluster.NodeOptions{Handler: entity(node, actor.OnRequest(func(_ *struct{}, c *actor.Context, m forward) (done, error) {
				close(running)
				<-moves
				r, err := cluster.NewRequest[where, done](lc.client().Key(m.To)).Request(c, where{})
				if err != nil {
					return done{}, err
				}
				return *r, nil
			}))}
		})
		outer := make(chan *done)
		go func() { // ends with the call
			r, err := cluster.NewRequest[forward, done](lc.client().Key(keys[0])).Request(t.Context(), forward{keys[1]})
			if err != nil {
				t.Errorf("the outer call: %v (%v)", err, cluster.OutcomeOf(err))
				r = new(done)
			}
			outer <- r
		}()
		<-running
		a.stop()
		synctest.Wait()
		began := time.Now()
		other := make(chan string)
		go func() { other <- lc.whereis(keys[2]) }() // ends with the call
		time.Sleep(10 * time.Millisecond)
		close(moves)
		if r := <-outer; r.Node != "a" || time.Since(began) > 10*time.Millisecond {
			t.Errorf("the nested call ran on %q, %v after the shard had begun to drain", r.Node, time.Since(began))
		}
		if by := <-other; by != "b" || time.Since(began) > time.Second {
			t.Errorf("the other call ran on %q, after %v", by, time.Since(began))
		}
		if err := <-a.ended; err != nil {
			t.Error(err)
		}
		lc.end(b)
	})
}

// TestStopHookPastDrainTimeout: the context of a stop hook that goes on for longer
// than a drain may take ends. One that heeds that returns before the next owner
// serves; of one that does not, the node tells.
func TestStopHookPastDrainTimeout(t *testing.T) {
	for _, heeds := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			lc := newLiving(t)
			defer lc.close()
			keys := keysOf(1, "a", "a", "b")
			var cut, saved atomic.Int64
			a, b := lc.pair(func(node string) cluster.NodeOptions {
				return cluster.NodeOptions{DrainTimeout: 10 * time.Second, Handler: entity(node, actor.OnPassivate(func(_ *struct{}, c *actor.Context) error {
					end := c.Done()
					switch {
					case node == "b":
						return nil
					case !heeds:
						end = nil
					}
					select {
					case <-end:
						time.Sleep(100 * time.Millisecond) // to undo what it has begun
						cut.Add(1)
					case <-time.After(20 * time.Second):
						saved.Add(1)
					}
					return c.Err()
				}))}
			})
			lc.whereis(keys[0])
			a.stop()
			synctest.Wait()
			began := time.Now()
			by, cuts := lc.whereis(keys[0]), cut.Load()
			if by != "b" || cuts == 0 == heeds || saved.Load() > 0 || time.Since(began) > 13*time.Second {
				t.Errorf("after %v the key is with %s; %d stop hooks have heeded their context, %d have saved", time.Since(began), by, cuts, saved.Load())
			}
			err := <-a.ended
			if err == nil || !strings.Contains(err.Error(), "the stop hooks of 1 keys were cut off") || !heeds && !strings.Contains(err.Error(), keys[0]) {
				t.Errorf("heeds %v: the node ends with %v", heeds, err)
			}
			lc.end(b)
		})
	}
}

// TestStopHooksBesideASlowKey: that a key's handler goes on does not keep the other
// keys of the shard from saving what they have.
func TestStopHooksBesideASlowKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lc := newLiving(t)
		defer lc.close()
		keys := keysOf(21, "a", "a", "b")
		var saved, failed atomic.Int64
		release := make(chan struct{})
		a, b := lc.pair(func(node string) cluster.NodeOptions {
			return cluster.NodeOptions{Handler: entity(node,
				actor.OnNotify(func(*struct{}, *actor.Context, put) error { <-release; return nil }),
				actor.OnPassivate(func(_ *struct{}, c *actor.Context) error {
					switch {
					case node == "b":
					case c.Err() != nil:
						failed.Add(1)
					default:
						saved.Add(1)
					}
					return nil
				}))}
		})
		for _, key := range keys[1:] {
			lc.whereis(key)
		}
		if err := lc.client().Key(keys[0]).Notify(t.Context(), put{1}); err != nil {
			t.Error(err)
		}
		a.stop()
		time.Sleep(14 * time.Second)
		if saved.Load() != 20 || failed.Load() != 0 {
			t.Errorf("%d of 20 keys have saved what they had, %d found their context ended", saved.Load(), failed.Load())
		}
		if by := lc.whereis(keys[0]); by != "b" {
			t.Errorf("the slow key is with %s", by)
		}
		close(release)
		if err := <-a.ended; !errors.Is(err, cluster.ErrHandlerTimeout) {
			t.Errorf("the node ends with %v", err)
		}
		lc.end(b)
	})
}

// TestStopHookAsksItsShard: such a call is served, by a key that is made for it. The stop
// hook of that one, which asks itself, is refused at once, and does not try again.
func TestStopHookAsksItsShard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lc := newLiving(t)
		defer lc.close()
		keys := keysOf(2, "a", "a", "b")
		type answer struct {
			err  error
			took time.Duration
		}
		answers := make(chan answer, 4)
		a, b := lc.pair(func(node string) cluster.NodeOptions {
			return cluster.NodeOptions{Handler: entity(node,
				actor.OnNotify(func(*struct{}, *actor.Context, put) error { return nil }),
				actor.OnPassivate(func(_ *struct{}, c *actor.Context) error {
					if node == "b" {
						return nil
					}
					other := lc.client().Key(keys[1])
					began := time.Now()
					answers <- answer{other.Notify(c, put{1}), time.Since(began)}
					began = time.Now()
					_, err := cluster.NewRequest[where, done](other).Request(c, where{})
					answers <- answer{err, time.Since(began)}
					return nil
				}))}
		})
		lc.whereis(keys[0])
		a.stop()
		synctest.Wait()
		began := time.Now()
		if by := lc.whereis(keys[0]); by != "b" || time.Since(began) > time.Second {
			t.Errorf("the key is with %s, after %v", by, time.Since(began))
		}
		for i := range cap(answers) {
			if a := <-answers; (a.err != nil) != (i >= 2) || a.err != nil && !cluster.OutcomeOf(a.err).NeverRan() || a.took > 0 {
				t.Errorf("after %v the hook is told %v (%v)", a.took, a.err, cluster.OutcomeOf(a.err))
			}
		}
		if err := <-a.ended; err != nil {
			t.Error(err)
		}
		lc.end(b)
	})
}

// lateTransport finds requests for a shard some time before it says so, as NATS
// does.
type lateTransport struct {
	*memtransport.Transport
	said *sync.Map // shard -> struct{}
}

func (t lateTransport) Backend() dispatch.Backend { return lateBackend{t.Transport.Backend(), t} }

type lateBackend struct {
	dispatch.Backend
	t lateTransport
}

// Subscribe implements dispatch.Backend.
func (b lateBackend) Subscribe(ctx context.Context, shard uint32, to dispatch.Subscriber) (*dispatch.Sub, error) {
	t := b.t
	t.said.Delete(shard) // of an epoch before
	sub, err := b.Backend.Subscribe(ctx, shard, to)
	time.Sleep(time.Second)
	t.said.Store(shard, nil)
	return sub, err
}

// TestActivationWhileAShardOpens: a key that is asked for before the node knows
// that its shard is open is served, and may load what it needs.
func TestActivationWhileAShardOpens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lc := newLiving(t)
		defer lc.close()
		key := keysOf(1, "a", "a", "b")[0]
		var early atomic.Bool
		a, b := lc.pair(func(node string) cluster.NodeOptions {
			tr := lateTransport{lc.tr, new(sync.Map)}
			return cluster.NodeOptions{Transport: tr, Handler: entity(node, actor.OnActivate(func(_ *struct{}, c *actor.Context) error {
				_, late := tr.said.Load(cluster.ShardFromString(key, livingShards, ""))
				early.Store(!late)
				return c.Err()
			}))}
		})
		a.stop()
		synctest.Wait()
		if by := lc.whereis(key); by != "b" || !early.Load() {
			t.Errorf("the key is with %s, before its shard was open: %v", by, early.Load())
		}
		if err := <-a.ended; err != nil {
			t.Error(err)
		}
		lc.end(b)
	})
}
