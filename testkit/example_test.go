package testkit_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
)

// The first two calls of a key are refused; the client tries again by itself,
// because nothing has run.
func ExampleFaults() {
	faults := testkit.NewFaults(42, testkit.FaultRule{Fail: 1, Err: cluster.ErrDraining, First: 2})
	tr := faults.Transport(cluster.NewInMemoryTransport())
	defer tr.Close()
	echo := func(_ context.Context, env transport.Envelope) ([]byte, error) { return env.Data, nil }
	if _, err := tr.SubscribeShard(context.Background(), 0, echo); err != nil {
		fmt.Println(err)
		return
	}
	client, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	reply, err := client.RequestKey(context.Background(), "user-123", "Echo", []byte("hello"))
	fmt.Printf("%s %v\n", reply, err)
	fmt.Printf("%d calls, %d failed\n", faults.Injected().Calls, faults.Injected().Failed)
	// Output:
	// hello <nil>
	// 3 calls, 2 failed
}

// A caller that is cut off cannot know whether its message was handled.
func ExampleFaults_Partition() {
	faults := testkit.NewFaults(42)
	tr := faults.Client(cluster.NewInMemoryTransport())
	defer tr.Close()
	client, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	faults.Partition()
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	_, err = client.RequestKey(ctx, "user-123", "Echo", nil)
	fmt.Println(errors.Is(err, context.DeadlineExceeded), cluster.OutcomeOf(err))
	// Output: true maybe ran
}

// A recorder stands before a handler and shows what reaches it.
func ExampleRecorder() {
	rec := testkit.NewRecorder()
	echo := func(_ context.Context, env transport.Envelope) ([]byte, error) { return env.Data, nil }
	tr := cluster.NewInMemoryTransport()
	defer tr.Close()
	if _, err := tr.SubscribeShard(context.Background(), 0, rec.Wrap(echo)); err != nil {
		fmt.Println(err)
		return
	}
	client, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, msgType := range []string{"Open", "Close"} {
		if err := client.NotifyKey(context.Background(), "door-1", msgType, nil); err != nil {
			fmt.Println(err)
		}
		// Notify does not wait for the handler; the recorder does.
		seen := func(m testkit.Received) bool { return m.Type == msgType }
		if _, err := rec.WaitFor(context.Background(), seen); err != nil {
			fmt.Println(err)
		}
	}
	for _, m := range rec.Key("door-1") {
		fmt.Println(m.Type)
	}
	// Output:
	// Open
	// Close
}

// A test of an entity, alone: time is virtual.
func ExampleAlone() {
	test := func(t *testing.T) {
		def := actor.Define("counter", func(string) *counter { return &counter{} },
			actor.OnRequest((*counter).add),
			actor.Every(time.Hour, (*counter).tick),
		)
		testkit.Alone(t, def.New, "a", func(t *testing.T, e *testkit.Entity) {
			if _, err := testkit.Ask[sum](e, add{1}); err != nil {
				t.Fatal(err)
			}
			e.Advance(24 * time.Hour)
			if got, err := testkit.Ask[sum](e, add{1}); err != nil || got.Ticks != 24 {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
	_ = test // a test has a *testing.T, an example has none
}

// A test of a cluster: a node dies and comes back.
func ExampleNewCluster() {
	test := func(t *testing.T) {
		testkit.CheckLeaks(t)
		c := testkit.NewCluster(t, testkit.ClusterOptions{
			Transport: testkit.NATS,
			Handler:   cluster.NewActorHandler(counters.New),
		})
		key := c.KeyOf("node-1")
		c.KillNode("node-1")
		_, err := c.Client().Key(key).Request(context.Background(), add{1})
		if !errors.Is(err, cluster.ErrTransportNoShardSubscriber) {
			t.Errorf("got %v", err)
		}
		c.StartNode("node-1")
		if _, err := c.Client().Key(key).Request(context.Background(), add{1}); err != nil {
			t.Error(err)
		}
	}
	_ = test // a test has a *testing.T, an example has none
}
