package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/membership"
)

type (
	heed   struct{}
	ignore struct{}
	done   struct{ Node string }
)

// slow is an entity whose turns take longer than a drain waits. It keeps a ledger
// of the turns that run at the same moment.
type slow struct {
	running *sync.Map // key -> *atomic.Int32
	most    *atomic.Int32
	key     string
	node    string
}

func (e *slow) turn(f func()) {
	n, _ := e.running.LoadOrStore(e.key, new(atomic.Int32))
	now := n.(*atomic.Int32).Add(1)
	e.most.Store(max(e.most.Load(), now))
	f()
	n.(*atomic.Int32).Add(-1)
}

// heed ends when its context does.
func (e *slow) heed(c *actor.Context, _ heed) (done, error) {
	e.turn(func() {
		select {
		case <-c.Done():
			time.Sleep(100 * time.Millisecond) // to undo what it has begun
		case <-time.After(8 * time.Second):
		}
	})
	return done{e.node}, c.Err()
}

// ignore does not.
func (e *slow) ignore(*actor.Context, ignore) (done, error) {
	e.turn(func() { time.Sleep(8 * time.Second) })
	return done{e.node}, nil
}

// TestSlowHandlersAtTheEnd: what runs for longer than a drain waits is cut off.
// Its callers are told that it may have run, where the handler heeds its context;
// its key is in two places at once only where it does not.
func TestSlowHandlersAtTheEnd(t *testing.T) {
	for _, heeds := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			lc := newLiving(t)
			defer lc.close()
			var running sync.Map
			var most atomic.Int32
			start := func(name string) *livingNode {
				def := actor.Define("slow", func(key string) *slow { return &slow{&running, &most, key, name} },
					actor.OnRequest((*slow).heed), actor.OnRequest((*slow).ignore))
				return lc.startWith(cluster.NodeOptions{NodeID: name, Handler: cluster.NewActorHandler(def.New), DrainTimeout: time.Second})
			}
			a, b := start("a"), start("b")
			<-a.Ready()
			<-b.Ready()
			time.Sleep(20 * time.Second)
			client := lc.client()
			ask := func(key string) (*done, error) {
				ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
				defer cancel()
				if heeds {
					return cluster.NewRequest[heed, done](client.Key(key)).Request(ctx, heed{})
				}
				return cluster.NewRequest[ignore, done](client.Key(key)).Request(ctx, ignore{})
			}
			var load sync.WaitGroup
			var cut atomic.Int32
			for i := range 40 {
				load.Go(func() {
					key := fmt.Sprint("key-", i%20) // each has one that runs and one behind it
					_, err := ask(key)
					switch {
					case err == nil:
					case errors.Is(err, cluster.ErrNotOwner) && cluster.OutcomeOf(err) == cluster.MaybeRan && heeds:
						cut.Add(1)
					default:
						t.Errorf("%v (%v)", err, cluster.OutcomeOf(err))
					}
				})
			}
			time.Sleep(time.Second)
			a.stop()
			err := <-a.ended
			load.Wait()
			if heeds && (most.Load() != 1 || cut.Load() == 0 || err != nil) {
				t.Errorf("handlers that heed: %d turns of a key at once, %d calls cut off, and the node ends with %v", most.Load(), cut.Load(), err)
			}
			if !heeds && most.Load() > 2 {
				t.Errorf("handlers that do not: %d turns of a key at once", most.Load())
			}
			t.Logf("heeds %v: %d calls cut off, at most %d turns of a key at once, the node ended with %v", heeds, cut.Load(), most.Load(), err)
			lc.end(b)
		})
	}
}

// TestEndWhileJoining: a node that is asked to end at any moment of its join ends
// without an error, and takes nothing with it.
func TestEndWhileJoining(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lc := newLiving(t)
		defer lc.close()
		a := lc.start("a")
		<-a.Ready()
		client := lc.client()
		for i, after := range []time.Duration{0, time.Millisecond, 100 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 3 * time.Second, 5 * time.Second} {
			b := lc.start(fmt.Sprint("b", i))
			time.Sleep(after)
			began := time.Now()
			lc.end(b)
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("asked after %v, the end takes %v", after, took)
			}
			for k := range 40 {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				if _, err := cluster.NewRequest[add, total](client.Key(fmt.Sprint("key-", k))).Request(ctx, add{1}); err != nil {
					t.Errorf("ended after %v: %v", after, err)
				}
				cancel()
			}
		}
		lc.end(a)
	})
}

// TestNewerProcessTakesOver: of two nodes with one name the older hands over and
// says why it ends; callers see a pause.
func TestNewerProcessTakesOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lc := newLiving(t)
		defer lc.close()
		older, other := lc.start("a"), lc.start("b")
		<-older.Ready()
		<-other.Ready()
		time.Sleep(20 * time.Second)
		stop := lc.load(t, 16)
		newer := lc.start("a")
		select {
		case err := <-older.ended:
			if !errors.Is(err, membership.ErrSuperseded) {
				t.Errorf("the older ends with %v", err)
			}
		case <-time.After(time.Minute):
			t.Error("the older goes on")
		}
		<-newer.Ready()
		time.Sleep(20 * time.Second)
		stop()
		lc.end(newer, other)
		if len(lc.alive) != 0 {
			t.Errorf("%d keys live on", len(lc.alive))
		}
	})
}
