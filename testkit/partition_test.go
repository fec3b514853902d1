package testkit_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
)

func TestPartitionOfANodeHeals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := testkit.NewFaults(1)
		c := testkit.NewCluster(t, testkit.ClusterOptions{Handler: cluster.NewActorHandler(counters.New), Wrap: f.Client})
		near, far := c.KeyOf("node-0"), c.KeyOf("node-1")
		f.Partition(c.Shards("node-1")...)
		mustAdd(t, c, near, 1, 1)
		_, err := c.Client().Key(far).Request(context.Background(), add{1})
		if !errors.Is(err, context.DeadlineExceeded) || cluster.OutcomeOf(err) != cluster.MaybeRan {
			t.Errorf("got %v (%v)", err, cluster.OutcomeOf(err))
		}
		f.Heal(c.Shards("node-1")...)
		mustAdd(t, c, far, 1, 1)
		f.Partition()
		_, err = c.Client().Key(near).Request(context.Background(), add{1}, cluster.WithTTL(time.Second))
		if cluster.OutcomeOf(err) != cluster.MaybeRan {
			t.Errorf("got %v", err)
		}
		f.Heal()
		mustAdd(t, c, near, 1, 2)
		if got := f.Injected(); got.Partitioned != 2 {
			t.Errorf("injected %+v", got)
		}
	})
}

func TestPartitionLosesAnswersOnTheirWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := testkit.NewFaults(1)
		goOn := make(chan struct{})
		c := testkit.NewCluster(t, testkit.ClusterOptions{Nodes: 1, Wrap: f.Client,
			Handler: func(context.Context, transport.Envelope) ([]byte, error) { <-goOn; return nil, nil }})
		var err error
		var caller sync.WaitGroup
		caller.Go(func() { _, err = c.Client().RequestKey(context.Background(), "a", "Do", nil) })
		synctest.Wait()
		f.Partition(c.Shard("a"))
		close(goOn)
		caller.Wait()
		if cluster.OutcomeOf(err) != cluster.MaybeRan {
			t.Errorf("got %v (%v)", err, cluster.OutcomeOf(err))
		}
	})
}

func TestPartitionEndsWithTheTransport(t *testing.T) {
	f := testkit.NewFaults(1)
	tr := f.Client(nothing{})
	f.Partition()
	errs := make(chan error, 1)
	go func() { // ends at Close
		_, err := tr.Request(context.Background(), transport.Envelope{Type: "Do"})
		errs <- err
	}()
	if err := tr.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-errs; !errors.Is(err, cluster.ErrTransportClosed) || cluster.OutcomeOf(err) != cluster.MaybeRan {
		t.Errorf("got %v (%v)", err, cluster.OutcomeOf(err))
	}
}

func TestFaultsOnATransportOfBothEnds(t *testing.T) {
	testkit.CheckLeaks(t)
	f := testkit.NewFaults(1)
	tr := f.Transport(cluster.NewInMemoryTransport())
	t.Cleanup(func() {
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
	})
	if dispatch.BackendOf(tr) == nil {
		t.Error("a node cannot hand calls to its hosts directly")
	}
	f.Partition()
	node := cluster.NewNode(cluster.NodeOptions{Transport: tr, Shards: []uint32{0}, Handler: cluster.NewActorHandler(counters.New)})
	if err := node.Run(context.Background()); !errors.Is(err, cluster.ErrDisconnected) {
		t.Errorf("a node that is cut off starts: %v", err)
	}
	f.Heal()
	cluster.CreateTestCluster(t, tr, 2, 8, "", cluster.NewActorHandler(counters.New))
	client, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: 8})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := cluster.NewRequest[add, sum](client.Key("a")).Request(context.Background(), add{2}); err != nil || got.N != 2 {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestHealOfSomeWhileAllAreCutOff(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("Heal(1) after Partition() is accepted")
		}
	}()
	f := testkit.NewFaults(1)
	f.Partition()
	f.Heal(1)
}
