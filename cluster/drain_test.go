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
)

// TestDrainLosesNothing stops one of two nodes while 64 callers send. Every call
// is answered; what succeeded was handled once, and what never ran was not.
func TestDrainLosesNothing(t *testing.T) {
	tr := cluster.CreateInMemoryTransport(t)
	var handled sync.Map // id -> *atomic.Int32
	h := cluster.NewKeyHandler(func(string) (cluster.ServerHandlerFunc, error) {
		return func(_ context.Context, env cluster.Envelope) ([]byte, error) {
			n, _ := handled.LoadOrStore(string(env.Data), new(atomic.Int32))
			n.(*atomic.Int32).Add(1)
			return env.Data, nil
		}, nil
	})
	ids := []string{"n0", "n1"}
	stops := map[string]func(){}
	for _, id := range ids {
		stops[id] = startNode(t, cluster.NodeOptions{
			NodeID: id, Transport: tr, NumShards: 16, Shards: cluster.ShardsForNode(id, ids, 16, ""), Handler: h,
		})
	}
	client := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 16})
	const callers, each = 64, 60
	var sent sync.WaitGroup // callers that are half through
	sent.Add(callers)
	var all sync.WaitGroup
	for c := range callers {
		all.Go(func() {
			for i := range each {
				if i == each/2 {
					sent.Done()
				}
				id := fmt.Sprintf("%d/%d", c, i)
				key := fmt.Sprint("key-", (c+i)%40)
				var reply []byte
				var err error
				if request := i%2 == 0; request {
					reply, err = client.RequestKey(t.Context(), key, "Add", []byte(id))
				} else {
					err = client.NotifyKey(t.Context(), key, "Add", []byte(id))
				}
				ran := 0
				if n, ok := handled.Load(id); ok {
					ran = int(n.(*atomic.Int32).Load())
				}
				switch o := cluster.OutcomeOf(err); {
				case o == cluster.Succeeded && i%2 == 0 && (ran != 1 || string(reply) != id):
					t.Errorf("%s: got %q, handled %d times", id, reply, ran)
				case o.NeverRan() && ran != 0:
					t.Errorf("%s: %v (%v), but it ran", id, err, o)
				case err != nil && !o.NeverRan():
					t.Errorf("%s: %v (%v): a drain leaves nothing unknown", id, err, o)
				}
			}
		})
	}
	sent.Wait()
	stops["n0"]()
	all.Wait()
	owned := cluster.ShardsForNode("n0", ids, 16, "")
	wantError(t, errOf(client.RequestShard(t.Context(), owned[0], "Get", nil)), cluster.ErrTransportNoShardSubscriber, cluster.NotStarted)
	handled.Range(func(id, n any) bool {
		if n := n.(*atomic.Int32).Load(); n != 1 {
			t.Errorf("%v was handled %d times", id, n)
		}
		return true
	})
}

// TestDrainHandsOver: with the next owner already there, callers see no error.
func TestDrainHandsOver(t *testing.T) {
	tr := cluster.CreateInMemoryTransport(t)
	var live, most atomic.Int32
	node := func(id string) (stop func()) {
		return startNode(t, cluster.NodeOptions{NodeID: id, Transport: tr, NumShards: 4, Shards: []uint32{0, 1, 2, 3}, Handler: func(_ context.Context, env cluster.Envelope) ([]byte, error) {
			most.Store(max(most.Load(), live.Add(1)))
			defer live.Add(-1)
			return []byte(id), nil
		}})
	}
	stop := node("old")
	client := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 4})
	begun := make(chan struct{})
	done := make(chan struct{})
	go func() { // ends when the new node answers
		defer close(done)
		for i := 0; ; i++ {
			if i == 100 {
				close(begun)
			}
			who, err := client.RequestKey(t.Context(), fmt.Sprint("key-", i%20), "Who", nil)
			if err != nil {
				t.Error(err)
				return
			}
			if string(who) == "new" {
				return
			}
		}
	}()
	<-begun
	node("new")
	stop()
	<-done
	if n := most.Load(); n != 1 {
		t.Errorf("%d handlers ran at once for one caller that waits for each reply", n)
	}
}

// TestStopTimeout: a stop hook that does not end holds Run up for that long.
func TestStopTimeout(t *testing.T) {
	tr := cluster.CreateInMemoryTransport(t)
	began, release, hookEnded := make(chan struct{}), make(chan struct{}), make(chan struct{})
	stubborn := actor.Define("stubborn", func(string) *struct{} { return new(struct{}) },
		actor.OnRequest(func(*struct{}, *actor.Context, touch) (int, error) { return 1, nil }),
		actor.OnPassivate(func(*struct{}, *actor.Context) error {
			close(began)
			<-release
			close(hookEnded)
			return nil
		}),
	)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	node := cluster.NewNode(cluster.NodeOptions{
		Transport: tr, Shards: []uint32{0}, Log: quiet, StopTimeout: time.Millisecond, Handler: cluster.NewActorHandler(stubborn.New),
	})
	ended := make(chan error, 1)
	go func() { ended <- node.Run(ctx) }() // ends with cancel
	<-node.Ready()
	client := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 1})
	if _, err := client.Key("k").Request(t.Context(), touch{}); err != nil {
		t.Fatal(err)
	}
	cancel()
	<-began
	if err := <-ended; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Run returned %v for a hook that did not end", err)
	}
	close(release)
	<-hookEnded
}
