package testkit_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
)

func TestClusterReportsOptionsThatCannotWork(t *testing.T) {
	h := cluster.NewActorHandler(counters.New)
	for _, test := range []struct {
		opts testkit.ClusterOptions
		word string
	}{
		{testkit.ClusterOptions{}, "Handler"},
		{testkit.ClusterOptions{Handler: h, Nodes: -1}, "Nodes -1"},
		{testkit.ClusterOptions{Handler: h, Transport: 7}, "Transport"},
		{testkit.ClusterOptions{Handler: h, NATSURL: "nats://x"}, "NATSURL"},
		{testkit.ClusterOptions{Handler: h, Limits: transport.Limits{MaxPending: -7}}, "MaxPending"},
		{testkit.ClusterOptions{Handler: h, Transport: testkit.NATS, NATSURL: "nats://127.0.0.1:1"}, "127.0.0.1:1"},
	} {
		fake := &fakeTB{}
		testkit.NewCluster(fake, test.opts)
		failures := fake.end()
		if len(failures) == 0 {
			t.Errorf("%+v is accepted", test.opts)
			continue
		}
		wantFailure(t, failures[:1], test.word)
	}
}

func TestUnknownNodeFailsTheTest(t *testing.T) {
	fake := &fakeTB{}
	c := testkit.NewCluster(fake, testkit.ClusterOptions{Nodes: 1, Handler: cluster.NewActorHandler(counters.New)})
	c.StopNode("node-7")
	wantFailure(t, fake.end(), "node-7", "node-0")
}

func TestClusterSurvivesARestartOfItsServer(t *testing.T) {
	testkit.CheckLeaks(t)
	s := testkit.StartNATSServer(t, nil)
	c := testkit.NewCluster(t, testkit.ClusterOptions{Transport: testkit.NATS, NATSURL: s.URL(), Handler: cluster.NewActorHandler(counters.New)})
	mustAdd(t, c, "a", 1, 1)
	s.Restart()
	client := c.NewClient(cluster.ClientOptions{RetryOn: []error{cluster.ErrTransportNoShardSubscriber}})
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for {
		// A request that leaves before the client has noticed is lost: it may
		// have run, so that only the application may try again.
		got, err := cluster.NewRequest[add, sum](client.Key("a")).Request(ctx, add{0})
		if err == nil {
			if got.N != 1 {
				t.Fatalf("got %d, want 1: the actors have lived through it", got.N)
			}
			return
		}
		if ctx.Err() != nil || cluster.OutcomeOf(err) != cluster.MaybeRan {
			t.Fatal(err)
		}
	}
}

// kinds and metrics are handed on to the nodes.
func TestClusterHandsOnKindsAndMetrics(t *testing.T) {
	m := &owned{ClusterMetrics: cluster.NopClusterMetrics(), ids: make(chan string, 8)}
	c := testkit.NewCluster(t, testkit.ClusterOptions{
		Nodes:   1,
		Metrics: m,
		Kinds:   map[string]cluster.ServerHandlerFunc{"counter": cluster.NewActorHandler(counters.New)},
	})
	got, err := cluster.NewRequest[add, sum](c.Client().Kind("counter").Key("a")).Request(context.Background(), add{3})
	if err != nil || got.N != 3 {
		t.Fatalf("got %v, %v", got, err)
	}
	if id := <-m.ids; id != "node-0" {
		t.Fatalf("the metrics are of node %q", id)
	}
}

type owned struct {
	cluster.ClusterMetrics
	ids chan string
}

func (o *owned) ShardsOwned(id string, _ int) { o.ids <- id }

func TestClusterEndsWithoutItsServer(t *testing.T) {
	testkit.CheckLeaks(t)
	s := testkit.StartNATSServer(t, nil)
	lost := make(chan struct{}, 16)
	c := testkit.NewCluster(t, testkit.ClusterOptions{
		Transport:   testkit.NATS,
		NATSURL:     s.URL(),
		NATSOptions: []nats.Option{nats.DisconnectErrHandler(func(*nats.Conn, error) { lost <- struct{}{} })},
		Handler:     cluster.NewActorHandler(counters.New),
	})
	mustAdd(t, c, "a", 1, 1)
	s.Stop()
	for range len(c.Nodes()) + 1 { // the clients' connection too
		<-lost
	}
}

// A node that cannot end in time is reported when the test ends.
func TestClusterReportsNodesThatDoNotEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		goOn := make(chan struct{})
		defer close(goOn)
		fake := &fakeTB{}
		c := testkit.NewCluster(fake, testkit.ClusterOptions{Nodes: 1, Limits: transport.Limits{HandlerTimeout: time.Second},
			Handler: func(context.Context, transport.Envelope) ([]byte, error) { <-goOn; return nil, nil }})
		if err := c.Client().NotifyKey(context.Background(), "a", "Stuck", nil); err != nil {
			t.Fatal(err)
		}
		failures := fake.end()
		if len(failures) == 0 {
			t.Fatal("nothing was reported")
		}
		wantFailure(t, failures[:1], "node-0", "ignore the end of their context")
	})
}
