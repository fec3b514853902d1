package cluster_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/membership"
)

// link is a node's way to the store. It can be cut.
type link struct {
	membership.Store
	cut atomic.Bool
}

var errCut = errors.New("cut off")

func (l *link) Write(ctx context.Context, key string, rev uint64, value []byte) (uint64, error) {
	if l.cut.Load() {
		return 0, errCut
	}
	return l.Store.Write(ctx, key, rev, value)
}

func (l *link) Read(ctx context.Context, key string) (membership.Entry, error) {
	if l.cut.Load() {
		return membership.Entry{}, errCut
	}
	return l.Store.Read(ctx, key)
}

func (l *link) Snapshot(ctx context.Context, prefix string) ([]membership.Entry, uint64, error) {
	if l.cut.Load() {
		return nil, 0, errCut
	}
	return l.Store.Snapshot(ctx, prefix)
}

func (l *link) Watch(f func(membership.Entry)) (func(), error) {
	return l.Store.Watch(func(e membership.Entry) {
		if !l.cut.Load() {
			f(e)
		}
	})
}

// startOn starts a node on the transport and the store that its options name, or
// on the cluster's.
func (lc *livingCluster) startOn(opts cluster.NodeOptions) *livingNode {
	opts.Transport = cmp.Or[cluster.ServerTransport](opts.Transport, lc.tr)
	opts.Membership = cmp.Or[membership.Store](opts.Membership, lc.store)
	opts.NumShards = livingShards
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	n := &livingNode{name: opts.NodeID, ended: make(chan error, 1), Node: cluster.NewNode(opts)}
	var ctx context.Context
	ctx, n.stop = context.WithCancel(context.Background())
	go func() { n.ended <- n.Run(ctx) }() // end waits
	return n
}

// where is answered with the node.
type where struct{}

// whereis asks for the node of a key; empty if it fails.
func (lc *livingCluster) whereis(key string) string {
	lc.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 25*time.Second)
	defer cancel()
	r, err := cluster.NewRequest[where, done](lc.client().Key(key)).Request(ctx, where{})
	if err != nil {
		lc.t.Errorf("where is %s: %v (%v)", key, err, cluster.OutcomeOf(err))
		return ""
	}
	return r.Node
}

// entity is a handler of entities that tell where they are, and what else the
// options say.
func entity(node string, opts ...actor.Option) cluster.ServerHandlerFunc {
	opts = append(opts, actor.OnRequest(func(*struct{}, *actor.Context, where) (done, error) { return done{node}, nil }))
	return cluster.NewActorHandler(actor.Define("entity", func(string) *struct{} { return new(struct{}) }, opts...).New)
}

// keysOf returns keys of one shard, which is the node's among these.
func keysOf(count int, node string, nodes ...string) (keys []string) {
	shard := cluster.ShardsForNode(node, nodes, livingShards, "")[0]
	for i := 0; len(keys) < count; i++ {
		if key := fmt.Sprint("key-", i); cluster.ShardFromString(key, livingShards, "") == shard {
			keys = append(keys, key)
		}
	}
	return keys
}

// deposed runs test with two nodes, when the one that serves a key has just been
// cut off from the store. of makes the handler of each. In the end the node is
// back, and both end. It returns the log of the node that was cut off.
func deposed(t *testing.T, of func(node string) cluster.ServerHandlerFunc, test func(t *testing.T, lc *livingCluster, key string)) *written {
	log := &written{}
	synctest.Test(t, func(t *testing.T) {
		lc := newLiving(t)
		defer lc.close()
		l := &link{Store: lc.store}
		a := lc.startOn(cluster.NodeOptions{NodeID: "a", Handler: of("a"), Membership: l, Log: slog.New(slog.NewTextHandler(log, nil))})
		b := lc.startOn(cluster.NodeOptions{NodeID: "b", Handler: of("b")})
		<-a.Ready()
		<-b.Ready()
		time.Sleep(20 * time.Second)
		key := keysOf(1, "a", "a", "b")[0]
		if by := lc.whereis(key); by != "a" {
			t.Fatalf("the key is with %s", by)
		}
		l.cut.Store(true)
		test(t, lc, key)
		l.cut.Store(false)
		time.Sleep(5 * time.Second)
		lc.end(a, b)
	})
	return log
}

// TestPeriodicWorkEndsWithTheLease: a key of an owner that is cut off does no
// periodic work beside the next owner's.
func TestPeriodicWorkEndsWithTheLease(t *testing.T) {
	ticks := map[string]*atomic.Int64{"a": new(atomic.Int64), "b": new(atomic.Int64)}
	deposed(t, func(node string) cluster.ServerHandlerFunc {
		return entity(node, actor.Every(time.Second, func(*struct{}, *actor.Context) error { ticks[node].Add(1); return nil }))
	}, func(t *testing.T, lc *livingCluster, key string) {
		time.Sleep(15 * time.Second)
		if by := lc.whereis(key); by != "b" || ticks["a"].Load() == 0 {
			t.Errorf("the key is with %s after %d ticks of the first owner's", by, ticks["a"].Load())
		}
		before := ticks["a"].Load()
		time.Sleep(30 * time.Second)
		if n := ticks["a"].Load() - before; n > 0 || ticks["b"].Load() < 29 {
			t.Errorf("the deposed owner's key ticks %d times beside the %d of the new owner's", n, ticks["b"].Load())
		}
	})
}

// TestStopHooksOfADeposedOwner: a key that is idle on an owner that was cut off saves
// nothing over what the next owner's has saved: it stays, and when it ends in the end,
// its stop hook does not run.
func TestStopHooksOfADeposedOwner(t *testing.T) {
	var ran atomic.Int64
	log := deposed(t, func(node string) cluster.ServerHandlerFunc {
		return entity(node, actor.PassivateAfter(40*time.Second), actor.OnPassivate(func(*struct{}, *actor.Context) error {
			if node == "a" {
				ran.Add(1)
			}
			return nil
		}))
	}, func(t *testing.T, lc *livingCluster, key string) {
		time.Sleep(time.Minute)
		if by := lc.whereis(key); by != "b" {
			t.Errorf("the key is with %s", by)
		}
	})
	if n := ran.Load(); n > 0 {
		t.Errorf("%d stop hooks of the deposed owner's have run", n)
	}
	if told := log.lines("keys were lost"); len(told) != 1 || !strings.Contains(told[0], "keys=1 stop_hooks_cut_off=0") {
		t.Errorf("of the key that has ended without its stop hook it is told: %q", told)
	}
}

// TestContextsEndWithTheLease: handlers of an owner that is cut off, and the callers that
// wait for them, learn of the end before the next owner serves.
func TestContextsEndWithTheLease(t *testing.T) {
	var noticed atomic.Int64
	heeds := func(c *actor.Context) {
		began := time.Now()
		select {
		case <-c.Done():
			noticed.Add(1)
		case <-time.After(29 * time.Second):
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("a handler's context has not ended after %v", took)
		}
	}
	deposed(t, func(node string) cluster.ServerHandlerFunc {
		return entity(node,
			actor.OnRequest(func(_ *struct{}, c *actor.Context, _ heed) (done, error) { heeds(c); return done{node}, nil }),
			actor.OnNotify(func(_ *struct{}, c *actor.Context, _ put) error { heeds(c); return nil }))
	}, func(t *testing.T, lc *livingCluster, key string) {
		if err := lc.client().Key(keysOf(2, "a", "a", "b")[1]).Notify(t.Context(), put{1}); err != nil {
			t.Error(err)
		}
		began := time.Now()
		_, err := cluster.NewRequest[heed, done](lc.client().Key(key)).Request(context.Background(), heed{})
		if took := time.Since(began); !errors.Is(err, cluster.ErrNotOwner) || cluster.OutcomeOf(err) != cluster.MaybeRan || took > 10*time.Second {
			t.Errorf("after %v the caller is told %v (%v)", took, err, cluster.OutcomeOf(err))
		}
		synctest.Wait()
		if noticed.Load() != 2 {
			t.Errorf("%d handlers have noticed", noticed.Load())
		}
		if by := lc.whereis(key); by != "b" {
			t.Errorf("then the key is with %s", by)
		}
	})
}

// TestWaitingBehindADeposedOwnersTurn: a request that waits for a turn when the lease
// ends, or comes then, waits for the next owner, and not until the turn ends.
func TestWaitingBehindADeposedOwnersTurn(t *testing.T) {
	deposed(t, func(node string) cluster.ServerHandlerFunc {
		return entity(node, actor.OnNotify(func(*struct{}, *actor.Context, put) error { time.Sleep(28 * time.Second); return nil }))
	}, func(t *testing.T, lc *livingCluster, key string) {
		if err := lc.client().Key(key).Notify(t.Context(), put{1}); err != nil {
			t.Error(err)
		}
		asked := time.Now()
		before := make(chan string)
		go func() { before <- lc.whereis(key) }() // ends with the call
		time.Sleep(10500 * time.Millisecond)
		if by := lc.whereis(key); by != "b" || time.Since(asked) > 14*time.Second {
			t.Errorf("who came later is answered by %s, %v after the cut", by, time.Since(asked))
		}
		if by := <-before; by != "b" || time.Since(asked) > 14*time.Second {
			t.Errorf("who waited before is answered by %s, %v after the cut", by, time.Since(asked))
		}
	})
}

// restless is a protoactor actor that sends itself a message each second, by its
// process id and past all gates.
type restless struct {
	node  string
	turns *atomic.Int64
}

type again struct{}

// Receive implements actor.Actor.
func (r *restless) Receive(c pactor.Context) {
	switch c.Message().(type) {
	case *pactor.Started:
	case *again:
		r.turns.Add(1)
	default:
		if c.Sender() != nil {
			c.Respond(done{r.node})
		}
		return
	}
	self, root := c.Self(), c.ActorSystem().Root
	time.AfterFunc(time.Second, func() { root.Send(self, &again{}) })
}

// TestMailByPIDOnADeposedOwner: not even what an actor sends itself runs beside
// the next owner's.
func TestMailByPIDOnADeposedOwner(t *testing.T) {
	turns := map[string]*atomic.Int64{"a": new(atomic.Int64), "b": new(atomic.Int64)}
	deposed(t, func(node string) cluster.ServerHandlerFunc {
		return cluster.NewActorHandler(func(string) (actor.Actor, error) { return &restless{node, turns[node]}, nil })
	}, func(t *testing.T, lc *livingCluster, key string) {
		time.Sleep(15 * time.Second)
		if by := lc.whereis(key); by != "b" || turns["a"].Load() == 0 {
			t.Errorf("the key is with %s after %d turns of the first owner's", by, turns["a"].Load())
		}
		before := turns["a"].Load()
		time.Sleep(10*time.Second + 1)
		if n := turns["a"].Load() - before; n > 0 || turns["b"].Load() != 10 {
			t.Errorf("%d turns of the deposed owner's actor beside %d of the new owner's", n, turns["b"].Load())
		}
	})
}
