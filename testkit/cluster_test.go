package testkit_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
)

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func mustAdd(t *testing.T, c *testkit.Cluster, key string, n, want int) {
	t.Helper()
	got, err := cluster.NewRequest[add, sum](c.Client().Key(key)).Request(within(t, 10*time.Second), add{n})
	if err != nil {
		t.Fatalf("add %d to %s on %s: %v", n, key, c.Owner(key), err)
	}
	if got.N != want {
		t.Fatalf("add %d to %s: got %d, want %d", n, key, got.N, want)
	}
}

func TestClusterServesEveryKeyOnItsOwner(t *testing.T) {
	testkit.EachTransport(t, func(t *testing.T, kind testkit.TransportKind) {
		testkit.CheckLeaks(t)
		c := testkit.NewCluster(t, testkit.ClusterOptions{Transport: kind, Seed: "s", Handler: cluster.NewActorHandler(counters.New)})
		if got := c.Nodes(); !slices.Equal(got, []string{"node-0", "node-1", "node-2"}) {
			t.Fatalf("nodes %v", got)
		}
		shards := 0
		for _, id := range c.Nodes() {
			key := c.KeyOf(id)
			info, err := c.Client().Key(key).GetNodeInfo(within(t, 10*time.Second))
			if err != nil || info.NodeID != id || !slices.Equal(info.Shards, c.Shards(id)) {
				t.Fatalf("key %s: got %+v, %v, want %s", key, info, err, id)
			}
			if c.Owner(key) != id || !slices.Contains(c.Shards(id), c.Shard(key)) {
				t.Fatalf("key %s: owner %s, shard %d", key, c.Owner(key), c.Shard(key))
			}
			mustAdd(t, c, key, 1, 1)
			mustAdd(t, c, key, 1, 2)
			shards += len(c.Shards(id))
		}
		if shards != 64 {
			t.Fatalf("%d shards, want 64", shards)
		}
	})
}

func TestStopNodeDrains(t *testing.T) {
	testkit.EachTransport(t, func(t *testing.T, kind testkit.TransportKind) {
		testkit.CheckLeaks(t)
		started, goOn := make(chan struct{}), make(chan struct{})
		drains := make(logSignal, 1)
		c := testkit.NewCluster(t, testkit.ClusterOptions{Nodes: 2, Transport: kind, Log: slog.New(drains), Handler: func(context.Context, transport.Envelope) ([]byte, error) {
			close(started)
			<-goOn
			return []byte("done"), nil
		}})
		key := c.KeyOf("node-0")
		var reply []byte
		var err error
		var caller sync.WaitGroup
		ctx := within(t, 10*time.Second)
		caller.Go(func() { reply, err = c.Client().RequestKey(ctx, key, "slow", nil) })
		<-started
		var stopper sync.WaitGroup
		stopped := make(chan struct{})
		stopper.Go(func() { c.StopNode("node-0"); close(stopped) })
		<-drains
		select {
		case <-stopped:
			t.Error("StopNode has returned while a handler runs")
		default:
		}
		close(goOn)
		caller.Wait()
		stopper.Wait()
		if err != nil || string(reply) != "done" {
			t.Fatalf("got %q, %v", reply, err)
		}
		_, err = c.Client().RequestKey(ctx, key, "slow", nil)
		if !errors.Is(err, cluster.ErrTransportNoShardSubscriber) {
			t.Fatalf("after the stop: %v", err)
		}
		if c.Running("node-0") || !c.Running("node-1") {
			t.Fatal("node-0 runs, or node-1 does not")
		}
	})
}

// logSignal is a log that tells when a node begins to drain.
type logSignal chan struct{}

func (logSignal) Enabled(context.Context, slog.Level) bool { return true }

func (s logSignal) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "node drains" {
		select {
		case s <- struct{}{}:
		default: // those of the test's end
		}
	}
	return nil
}

func (s logSignal) WithAttrs([]slog.Attr) slog.Handler { return s }

func (s logSignal) WithGroup(string) slog.Handler { return s }

func TestKillNodeLosesAnswersAndComesBack(t *testing.T) {
	testkit.EachTransport(t, func(t *testing.T, kind testkit.TransportKind) {
		testkit.CheckLeaks(t)
		started, goOn := make(chan string, 8), make(chan struct{})
		c := testkit.NewCluster(t, testkit.ClusterOptions{Transport: kind, Handler: func(_ context.Context, env transport.Envelope) ([]byte, error) {
			started <- env.Type
			if env.Type == "slow" {
				<-goOn // a handler that was cut off does not hear that its caller has gone
			}
			return []byte("done"), nil
		}})
		key := c.KeyOf("node-1")
		var err error
		var caller sync.WaitGroup
		ctx, giveUp := context.WithCancel(context.Background())
		caller.Go(func() { _, err = c.Client().RequestKey(ctx, key, "slow", nil) })
		<-started
		c.KillNode("node-1")
		_, refused := c.Client().RequestKey(within(t, 10*time.Second), key, "x", nil)
		if !errors.Is(refused, cluster.ErrTransportNoShardSubscriber) || cluster.OutcomeOf(refused) != cluster.NotStarted {
			t.Fatalf("a new request: %v", refused)
		}
		giveUp()
		caller.Wait()
		close(goOn)
		if !errors.Is(err, context.Canceled) || cluster.OutcomeOf(err) != cluster.MaybeRan {
			t.Fatalf("the request on its way: %v (%v)", err, cluster.OutcomeOf(err))
		}
		c.StartNode("node-1")
		c.StartNode("node-1") // runs
		if reply, err := c.Client().RequestKey(within(t, 10*time.Second), key, "x", nil); err != nil || string(reply) != "done" {
			t.Fatalf("after the new start: %q, %v", reply, err)
		}
		c.KillNode("node-0") // and the test's end finds one that is down
	})
}

func TestKillNodeDropsAReplyThatIsReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		goOn := make(chan struct{})
		c := testkit.NewCluster(t, testkit.ClusterOptions{Nodes: 1, Handler: func(context.Context, transport.Envelope) ([]byte, error) {
			<-goOn
			return []byte("done"), nil
		}})
		var err error
		var caller sync.WaitGroup
		caller.Go(func() {
			_, err = c.Client().RequestKey(context.Background(), "a", "slow", nil, cluster.WithTTL(time.Second))
		})
		synctest.Wait() // the handler waits
		c.KillNode("node-0")
		close(goOn)
		caller.Wait()
		if !errors.Is(err, cluster.ErrEnvelopeExpired) || cluster.OutcomeOf(err) != cluster.MaybeRan {
			t.Errorf("got %v (%v)", err, cluster.OutcomeOf(err))
		}
	})
}

func TestClusterStopsAndStartsUnderLoad(t *testing.T) {
	testkit.EachTransport(t, func(t *testing.T, kind testkit.TransportKind) {
		testkit.CheckLeaks(t)
		c := testkit.NewCluster(t, testkit.ClusterOptions{Transport: kind, NumShards: 16, Handler: cluster.NewActorHandler(counters.New)})
		client := c.NewClient(cluster.ClientOptions{RetryOn: []error{cluster.ErrTransportNoShardSubscriber}})
		stop := make(chan struct{})
		var callers sync.WaitGroup
		for i := range 8 {
			callers.Go(func() {
				r := cluster.NewRequest[add, sum](client.Key(fmt.Sprintf("k-%d", i)))
				for {
					select {
					case <-stop:
						return
					default:
					}
					ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
					_, err := r.Request(ctx, add{1})
					cancel()
					if err != nil {
						t.Errorf("caller %d: %v", i, err)
						return
					}
				}
			})
		}
		for _, id := range c.Nodes() {
			c.StopNode(id)
			c.StartNode(id)
		}
		close(stop)
		callers.Wait()
	})
}

func TestClusterLimitsAndWrap(t *testing.T) {
	started, goOn := make(chan struct{}), make(chan struct{})
	var mu sync.Mutex
	var seen []string
	wrap := func(tr transport.ClientTransport) transport.ClientTransport {
		return &spy{tr, func(env *transport.Envelope) { mu.Lock(); seen = append(seen, env.Type); mu.Unlock() }}
	}
	c := testkit.NewCluster(t, testkit.ClusterOptions{
		Nodes: 1, NumShards: 1, Limits: transport.Limits{MaxPending: 1}, Wrap: wrap,
		Handler: func(context.Context, transport.Envelope) ([]byte, error) { close(started); <-goOn; return nil, nil },
	})
	var caller sync.WaitGroup
	caller.Go(func() { _, _ = c.Client().RequestKey(context.Background(), "a", "first", nil) })
	<-started
	_, err := c.Client().RequestKey(context.Background(), "a", "second", nil)
	close(goOn)
	caller.Wait()
	if !errors.Is(err, cluster.ErrOverloaded) {
		t.Fatalf("got %v", err)
	}
	if !slices.Equal(seen, []string{"first", "second"}) {
		t.Fatalf("the wrapper saw %q", seen)
	}
}

type spy struct {
	transport.ClientTransport
	see func(*transport.Envelope)
}

func (s *spy) Request(ctx context.Context, env transport.Envelope) ([]byte, error) {
	s.see(&env)
	return s.ClientTransport.Request(ctx, env)
}

func TestTwoClustersShareAServer(t *testing.T) {
	url := testkit.StartNATS(t)
	opts := testkit.ClusterOptions{Nodes: 1, Transport: testkit.NATS, NATSURL: url, Handler: cluster.NewActorHandler(counters.New)}
	one, two := testkit.NewCluster(t, opts), testkit.NewCluster(t, opts)
	mustAdd(t, one, "a", 1, 1)
	mustAdd(t, two, "a", 1, 1)
}

func TestClusterInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := testkit.NewCluster(t, testkit.ClusterOptions{Handler: cluster.NewActorHandler(counters.New)})
		mustAdd(t, c, "a", 1, 1)
		began := time.Now()
		_, err := c.Client().Key("a").Request(context.Background(), block{})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
		if took := time.Since(began); took != cluster.DefaultRequestTimeout {
			t.Fatalf("took %v", took)
		}
	})
}
