package cluster_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
)

type middleware = func(cluster.ServerHandlerFunc) cluster.ServerHandlerFunc

// turn is a request whose turn takes a while.
type turn struct{}

func takes(d time.Duration) actor.Option {
	return actor.OnRequest(func(*struct{}, *actor.Context, turn) (done, error) {
		time.Sleep(d)
		return done{}, nil
	})
}

// TestRequestsThatWaitWhenAShardMoves: they go to the next owner at once, and are not
// kept until the drain gives up.
func TestRequestsThatWaitWhenAShardMoves(t *testing.T) {
	behind(t, func(t *testing.T, mw middleware) {
		synctest.Test(t, func(t *testing.T) {
			lc := newLiving(t)
			defer lc.close()
			key := keysOf(1, "a", "a", "b")[0]
			a, b := lc.pair(func(node string) cluster.NodeOptions {
				return cluster.NodeOptions{Handler: mw(entity(node, takes(600*time.Millisecond)))}
			})
			const requests = 30 // which take longer than a drain waits
			var all sync.WaitGroup
			for range requests {
				all.Go(func() {
					if _, err := cluster.NewRequest[turn, done](lc.client().Key(key)).Request(t.Context(), turn{}); err != nil {
						t.Errorf("%v (%v)", err, cluster.OutcomeOf(err))
					}
				})
			}
			time.Sleep(10 * time.Millisecond)
			began := time.Now()
			a.stop()
			if err := <-a.ended; err != nil || time.Since(began) > time.Second {
				t.Errorf("the node ends after %v: %v", time.Since(began), err)
			}
			if cost := lc.costs("a"); cost != (cluster.DrainCounts{Parked: requests - 1}) {
				t.Errorf("the records say %+v", cost)
			}
			all.Wait()
			lc.end(b)
		})
	})
}

// TestRequestsThatWaitWhenTheLeaseEnds: of those that never began this is what their
// callers are told.
func TestRequestsThatWaitWhenTheLeaseEnds(t *testing.T) {
	behind(t, func(t *testing.T, mw middleware) {
		alone(t, cluster.NodeOptions{Handler: mw(entity("a", takes(2*time.Second)))}, func(t *testing.T, lc *livingCluster, l *link) {
			l.cut.Store(true)
			var all sync.WaitGroup
			var ok, never, maybe atomic.Int64
			for range 12 {
				all.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
					defer cancel()
					_, err := cluster.NewRequest[turn, done](lc.client().Key("k")).Request(ctx, turn{})
					switch {
					case err == nil:
						ok.Add(1)
					case cluster.OutcomeOf(err).NeverRan():
						never.Add(1)
					default:
						maybe.Add(1)
					}
				})
			}
			all.Wait()
			if ok.Load() < 4 || maybe.Load() > 1 || never.Load() < 6 {
				t.Errorf("%d were answered, %d never ran, %d may have", ok.Load(), never.Load(), maybe.Load())
			}
			l.cut.Store(false)
			time.Sleep(time.Minute)
		})
	})
}

// TestPassedOnWhenTheDrainIsOver: a goroutine that outlives its handler passes its call
// on when the shard's keys have ended, and another kind's stop hook goes on. No key
// begins anew: the next owner's lives by then.
func TestPassedOnWhenTheDrainIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lc := newLiving(t)
		defer lc.close()
		keys := keysOf(2, "b", "a", "b")
		late := make(chan error, 1)
		of := func(node string) cluster.NodeOptions {
			tallies := cluster.NewActorHandler(actor.Define("tally", func(key string) *tally { return &tally{lc: lc, key: key, node: node} },
				actor.OnRequest((*tally).add), actor.OnNotify((*tally).note), actor.OnActivate((*tally).begin), actor.OnPassivate((*tally).end)).New)
			slow := entity(node, actor.OnPassivate(func(*struct{}, *actor.Context) error { time.Sleep(5 * time.Second); return nil }))
			return cluster.NodeOptions{NodeID: node, Kinds: map[string]cluster.ServerHandlerFunc{"slow": slow, "tally": func(ctx context.Context, env cluster.Envelope) ([]byte, error) {
				if node == "b" {
					return tallies(ctx, env)
				}
				go func() { // ends with the call
					time.Sleep(5 * time.Second)
					_, err := tallies(context.WithoutCancel(ctx), env)
					late <- err
				}()
				return nil, nil
			}}}
		}
		a := lc.startOn(of("a"))
		<-a.Ready()
		time.Sleep(10 * time.Second)
		client := lc.client()
		if _, err := cluster.NewRequest[where, done](client.Kind("slow").Key(keys[0])).Request(t.Context(), where{}); err != nil {
			t.Error(err)
		}
		if err := client.Kind("tally").Key(keys[1]).Notify(t.Context(), put{1}); err != nil {
			t.Error(err)
		}
		b := lc.startOn(of("b"))
		<-b.Ready()
		if _, err := cluster.NewRequest[add, total](client.Kind("tally").Key(keys[1])).Request(t.Context(), add{1}); err != nil {
			t.Error(err)
		}
		if err := <-late; !cluster.OutcomeOf(err).NeverRan() {
			t.Errorf("what was passed on late: %v", err)
		}
		time.Sleep(time.Minute)
		lc.end(a, b)
	})
}

// TestTurnWithoutACallerInADrain: a turn whose caller has left is waited for as any
// other, and what it waits for is served.
func TestTurnWithoutACallerInADrain(t *testing.T) {
	behind(t, func(t *testing.T, mw middleware) {
		synctest.Test(t, func(t *testing.T) {
			lc := newLiving(t)
			defer lc.close()
			keys := keysOf(2, "a", "a", "b")
			asked := make(chan error, 1)
			a, b := lc.pair(func(node string) cluster.NodeOptions {
				return cluster.NodeOptions{Handler: mw(entity(node, actor.OnRequest(func(_ *struct{}, c *actor.Context, m forward) (done, error) {
					time.Sleep(time.Second)
					r, err := cluster.NewRequest[where, done](lc.client().Key(m.To)).Request(context.WithoutCancel(c), where{})
					if err == nil && r.Node != node {
						t.Errorf("node %s is answered by %s", node, r.Node)
					}
					asked <- err
					return done{}, err
				})))}
			})
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			if _, err := cluster.NewRequest[forward, done](lc.client().Key(keys[0])).Request(ctx, forward{keys[1]}); cluster.OutcomeOf(err) != cluster.MaybeRan {
				t.Errorf("its caller leaves with %v (%v)", err, cluster.OutcomeOf(err))
			}
			a.stop()
			if err := <-asked; err != nil {
				t.Errorf("what it asks for: %v (%v)", err, cluster.OutcomeOf(err))
			}
			if err := <-a.ended; err != nil {
				t.Error(err)
			}
			lc.end(b)
		})
	})
}
