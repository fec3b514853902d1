package cluster_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
)

// alone runs test with a node that no other can take over from. The link is its
// way to the store.
func alone(t *testing.T, opts cluster.NodeOptions, test func(t *testing.T, lc *livingCluster, l *link)) {
	synctest.Test(t, func(t *testing.T) {
		lc := newLiving(t)
		defer lc.close()
		l := &link{Store: lc.store}
		opts.NodeID, opts.Membership = "a", l
		a := lc.startOn(opts)
		<-a.Ready()
		test(t, lc, l)
		lc.end(a)
	})
}

// TestNotificationWithoutALease: an owner whose lease has ended accepts no
// notification that it may never run, for an entity or a func.
func TestNotificationWithoutALease(t *testing.T) {
	var ran atomic.Int64
	for what, h := range map[string]cluster.ServerHandlerFunc{
		"entity": entity("a", actor.OnNotify(func(*struct{}, *actor.Context, put) error { ran.Add(1); return nil })),
		"func":   func(context.Context, cluster.Envelope) ([]byte, error) { ran.Add(1); return nil, nil },
	} {
		ran.Store(0)
		alone(t, cluster.NodeOptions{Handler: h}, func(t *testing.T, lc *livingCluster, l *link) {
			l.cut.Store(true)
			time.Sleep(12 * time.Second)
			for range 10 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				err := lc.client().Key("k").Notify(ctx, put{1})
				cancel()
				if !errors.Is(err, cluster.ErrNotOwner) || cluster.OutcomeOf(err) != cluster.NotStarted {
					t.Errorf("%s: got %v (%v), want ErrNotOwner, NotStarted", what, err, cluster.OutcomeOf(err))
				}
			}
			l.cut.Store(false)
			if err := lc.client().Key("k").Notify(t.Context(), put{1}); err != nil {
				t.Errorf("%s: when the store is back: %v", what, err)
			}
			time.Sleep(20 * time.Second)
			if ran.Load() != 1 {
				t.Errorf("%s: %d notifications have run, want the last", what, ran.Load())
			}
		})
	}
}

// TestQueuedWhenTheLeaseEnds: notifications that were acknowledged, and wait behind
// others when the lease ends, are lost, and each is counted.
func TestQueuedWhenTheLeaseEnds(t *testing.T) {
	behind(t, func(t *testing.T, mw middleware) {
		const sent = 20
		var ran atomic.Int64
		h := mw(entity("a", actor.OnNotify(func(*struct{}, *actor.Context, put) error {
			time.Sleep(2 * time.Second)
			ran.Add(1)
			return nil
		})))
		m := &lost{ClusterMetrics: cluster.NopClusterMetrics()}
		alone(t, cluster.NodeOptions{Handler: h, Metrics: m}, func(t *testing.T, lc *livingCluster, l *link) {
			l.cut.Store(true)
			for range sent {
				if err := lc.client().Key("k").Notify(t.Context(), put{1}); err != nil {
					t.Error(err)
				}
			}
			time.Sleep(12 * time.Second)
			turns := ran.Load() // but for one that may have begun before
			time.Sleep(10 * time.Second)
			if ran.Load() > turns+1 {
				t.Errorf("%d turns began when the lease had ended", ran.Load()-turns)
			}
			l.cut.Store(false)
			time.Sleep(time.Minute)
			if ran.Load()+m.failed.Load() != sent || ran.Load() < 4 || m.failed.Load() < 4 {
				t.Errorf("of %d acknowledged %d have run, and %d are counted as failed", sent, ran.Load(), m.failed.Load())
			}
			if by := lc.whereis("k"); by != "a" {
				t.Errorf("the key is with %s", by)
			}
		})
	})
}

// TestIdleKeysWhileTheStoreIsAway: they stay until the node may save what they
// have.
func TestIdleKeysWhileTheStoreIsAway(t *testing.T) {
	var saved, failed atomic.Int64
	h := entity("a", actor.PassivateAfter(20*time.Second), actor.OnPassivate(func(_ *struct{}, c *actor.Context) error {
		if c.Err() != nil {
			failed.Add(1)
			return c.Err()
		}
		saved.Add(1)
		return nil
	}))
	alone(t, cluster.NodeOptions{Handler: h}, func(t *testing.T, lc *livingCluster, l *link) {
		lc.whereis("k")
		l.cut.Store(true)
		time.Sleep(time.Minute)
		if saved.Load()+failed.Load() != 0 {
			t.Errorf("%d keys were passivated without a lease", saved.Load()+failed.Load())
		}
		l.cut.Store(false)
		time.Sleep(time.Minute)
		if saved.Load() != 1 || failed.Load() != 0 {
			t.Errorf("when the store is back %d keys save what they have, %d cannot", saved.Load(), failed.Load())
		}
	})
}
