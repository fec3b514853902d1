package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
)

// TestCirclesDuringMoves: while shards move in a planned way, a circle is refused as
// one, in time, and what is none is answered.
func TestCirclesDuringMoves(t *testing.T) {
	testkit.EachTransport(t, func(t *testing.T, kind testkit.TransportKind) {
		w := &walkers{}
		var meetings sync.Map // by the keys of two chains that cross
		def := actor.Define("walker", func(string) *struct{} { return new(struct{}) }, actor.OnRequest(w.walk),
			actor.OnRequest(func(_ *struct{}, c *actor.Context, m cross) (walked, error) {
				meet, _ := meetings.Load(min(c.Key(), m.Other))
				meet.(*sync.WaitGroup).Done()
				meet.(*sync.WaitGroup).Wait()
				return w.next(c, walk{[]string{m.Other}})
			}))
		w.Cluster = testkit.NewCluster(t, testkit.ClusterOptions{
			Live: true, Timing: noLeaseEnds, Nodes: 2, NumShards: 64, Transport: kind, Log: quiet, Handler: cluster.NewActorHandler(def.New), StopTimeout: 30 * time.Second,
		})
		w.Settle()
		var circles, crossed, chains atomic.Int64
		key := func(caller, i int) string { return fmt.Sprintf("%d-%d", caller, i%20) } // a caller's own
		stop := calling(9, func(caller, i int) bool {
			began := time.Now()
			a, b, c := key(caller, i), key(caller, i+1), key(caller, i+2)
			switch caller % 3 {
			case 0:
				_, err := w.next(t.Context(), walk{[]string{a, b, c, a}})
				circle(t, err, time.Since(began), a, b, c, a)
				circles.Add(1)
			case 1:
				if r, err := w.next(t.Context(), walk{[]string{a, b, c}}); err != nil || len(r.Keys) != 3 {
					t.Errorf("no circle: %v, %v", r, err)
				}
				chains.Add(1)
			case 2:
				meet := new(sync.WaitGroup)
				meet.Add(2)
				meetings.Store(min(a, b), meet)
				errs := make(chan error, 2)
				for _, pair := range [][2]string{{a, b}, {b, a}} {
					go func() { // ends with its request
						_, err := cluster.NewRequest[cross, walked](w.Client().Key(pair[0])).Request(context.WithoutCancel(t.Context()), cross{pair[1]})
						errs <- err
					}()
				}
				one, other := <-errs, <-errs
				if one == nil {
					one, other = other, one
				}
				circle(t, one, time.Since(began))
				if other != nil && !errors.Is(other, cluster.ErrCircle) { // both may be refused at one moment
					t.Errorf("the other one: %v", other)
				}
				crossed.Add(1)
			}
			return !t.Failed()
		})
		w.StartNode("node-2")
		w.Settle()
		w.StopNode("node-0")
		w.Settle()
		w.StartNode("node-0")
		w.Settle()
		stop()
		if circles.Load() == 0 || crossed.Load() == 0 || chains.Load() == 0 {
			t.Errorf("%d circles, %d chains that cross, %d others", circles.Load(), crossed.Load(), chains.Load())
		}
	})
}
