package testkit_test

import (
	"context"
	"encoding/json"
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

// The test of an entity, alone: time is virtual.
func ExampleAlone() {
	def := actor.Define("counter", func(string) *counter { return &counter{} },
		actor.OnRequest((*counter).add),
		actor.Every(time.Hour, (*counter).tick),
	)
	testCounter := func(t *testing.T) {
		testkit.Alone(t, def.New, "a", testkit.AloneOptions{}, func(t *testing.T, e *testkit.Entity) {
			if _, err := testkit.Ask[sum](e, add{1}); err != nil {
				t.Fatal(err)
			}
			e.Advance(24 * time.Hour)
			got, err := testkit.Ask[sum](e, add{1})
			fmt.Printf("%d ticks in a day, %v\n", got.Ticks, err)
		})
	}
	runTest(testCounter) // as go test does
	// Output: 24 ticks in a day, <nil>
}

// The test of an entity that asks another: the test answers.
func ExampleStubClient() {
	client := testkit.StubClient(func(_ context.Context, env cluster.Envelope) ([]byte, error) {
		fmt.Println("asked:", env.Kind, env.Key, env.Type)
		return json.Marshal(sum{N: 7})
	})
	testTeller := func(t *testing.T) {
		testkit.Alone(t, tellers(client).New, "t", testkit.AloneOptions{}, func(t *testing.T, e *testkit.Entity) {
			got, err := testkit.Ask[sum](e, tell{"door-1"})
			fmt.Println("told:", got.N, err)
		})
	}
	runTest(testTeller) // as go test does
	// Output:
	// asked: counter door-1 add
	// told: 7 <nil>
}

// The test of a cluster: a node dies and comes back.
func ExampleNewCluster() {
	testNodeDies := func(t *testing.T) {
		testkit.CheckLeaks(t)
		c := testkit.NewCluster(t, testkit.ClusterOptions{
			Transport: testkit.NATS,
			Handler:   cluster.NewActorHandler(counters.New),
		})
		key := c.KeyOf("node-1")
		counter := cluster.NewRequest[add, sum](c.Client().Key(key))
		c.KillNode("node-1")
		_, err := counter.Request(context.Background(), add{1})
		fmt.Println(errors.Is(err, cluster.ErrTransportNoShardSubscriber), "-", cluster.OutcomeOf(err))
		c.StartNode("node-1")
		got, err := counter.Request(context.Background(), add{1})
		fmt.Println(got.N, err)
	}
	runTest(testNodeDies) // as go test does
	// Output:
	// true - not started
	// 1 <nil>
}
