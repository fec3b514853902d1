package cluster_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport/memtransport"
)

// TestWhatRunsAtTheEndMayAsk: a handler or hook that runs when the last node ends asks
// other keys of it, by way of a third one, and is answered as before. Nobody else is.
func TestWhatRunsAtTheEndMayAsk(t *testing.T) {
	for _, kind := range []testkit.TransportKind{testkit.Memory, testkit.NATS} {
		for _, live := range []bool{false, true} {
			for _, what := range []string{"method", "func", "every", "activation", "notification"} {
				t.Run(fmt.Sprintf("%v, live %v, %s", kind, live, what), func(t *testing.T) {
					var c *testkit.Cluster
					began, goOn, asked := make(chan struct{}), make(chan struct{}), make(chan error, 1)
					var once sync.Once
					ask := func(ctx context.Context) { // runs in key k, as the node ends
						once.Do(func() {
							close(began)
							<-goOn
							for i := range 5 {
								_, err := cluster.NewRequest[add, total](c.Client().Kind("entity").Key(fmt.Sprint("via-", i))).Request(ctx, add{1})
								if err != nil {
									asked <- err
									return
								}
							}
							asked <- nil
						})
					}
					options := []actor.Option{
						actor.OnRequest(func(_ *struct{}, ctx *actor.Context, m add) (total, error) {
							switch {
							case ctx.Key() == "k":
								if what == "method" {
									ask(ctx)
								}
							case m.N == 1:
								_, err := cluster.NewRequest[add, total](c.Client().Kind("entity").Key("at "+ctx.Key())).Request(ctx, add{2})
								return total{1}, err
							}
							return total{1}, nil
						}),
						actor.OnNotify(func(_ *struct{}, ctx *actor.Context, _ put) error { ask(ctx); return nil }),
					}
					switch what {
					case "every":
						options = append(options, actor.Every(time.Millisecond, func(_ *struct{}, ctx *actor.Context) error {
							if ctx.Key() == "k" {
								ask(ctx)
							}
							return nil
						}))
					case "activation":
						options = append(options, actor.OnActivate(func(_ *struct{}, ctx *actor.Context) error {
							if ctx.Key() == "k" {
								ask(ctx)
							}
							return nil
						}))
					}
					def := actor.Define("entity", func(string) *struct{} { return new(struct{}) }, options...)
					c = testkit.NewCluster(t, testkit.ClusterOptions{
						Nodes: 1, NumShards: 16, Live: live, Timing: noLeaseEnds, Transport: kind, Log: slog.New(slog.DiscardHandler), StopTimeout: 20 * time.Second,
						Kinds: map[string]cluster.ServerHandlerFunc{
							"entity": cluster.NewActorHandler(def.New),
							"plain":  func(ctx context.Context, _ cluster.Envelope) ([]byte, error) { ask(ctx); return nil, nil },
						},
					})
					if live {
						c.Settle()
					}
					called := make(chan error, 1)
					go func() { // ends with the answer
						ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
						defer cancel()
						var err error
						switch what {
						case "func":
							_, err = c.Client().Kind("plain").Key("k").Request(ctx, add{})
						case "notification":
							err = c.Client().Kind("entity").Key("k").Notify(ctx, put{})
						default:
							_, err = c.Client().Kind("entity").Key("k").Request(ctx, add{})
						}
						called <- err
					}()
					<-began
					stopped := make(chan struct{})
					go func() { c.StopNode("node-0"); close(stopped) }() // ends with the node
					for {                                                // from some moment on it refuses
						soon, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
						_, err := c.Client().Kind("entity").Key("probe").Request(soon, add{2})
						cancel()
						if err != nil {
							break
						}
					}
					close(goOn)
					if err := <-asked; err != nil {
						t.Errorf("what it asks: %v", err)
					}
					if err := <-called; err != nil {
						t.Errorf("its caller: %v", err)
					}
					<-stopped
				})
			}
		}
	}
}

// TestOneHandlerHoldsUpNoStopHooks: a handler that does not end keeps a node with a fixed
// list from running the stop hooks of its other keys for half of StopTimeout at most.
func TestOneHandlerHoldsUpNoStopHooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := memtransport.New(memtransport.Options{}).WithLog(quiet)
		var saved atomic.Int64
		var stops time.Time
		hold := make(chan struct{})
		def := actor.Define("entity", func(string) *struct{} { return new(struct{}) },
			actor.OnRequest(func(_ *struct{}, c *actor.Context, m add) (total, error) {
				if m.N == 1 {
					<-hold
				}
				return total{}, nil
			}),
			actor.OnPassivate(func(_ *struct{}, c *actor.Context) error {
				if c.Key() == "idle" {
					saved.Store(int64(time.Since(stops)))
				}
				return nil
			}))
		node := cluster.NewNode(cluster.NodeOptions{NodeID: "n", Transport: tr, NumShards: 4, Shards: []uint32{0, 1, 2, 3}, Log: quiet,
			Handler: cluster.NewActorHandler(def.New), StopTimeout: 10 * time.Second})
		stop, err := node.Start(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		client := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 4})
		if _, err := client.Key("idle").Request(t.Context(), add{}); err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = client.Key("held").Request(context.Background(), add{1}) }() // ends with hold
		synctest.Wait()
		stops = time.Now()
		err = stop()
		if after := time.Duration(saved.Load()); after != 5*time.Second {
			t.Errorf("the stop hook of an idle key ran after %v", after)
		}
		if err == nil {
			t.Error("a handler runs on, and the node says that it has ended well")
		}
		close(hold)
		synctest.Wait()
		_ = tr.Close()
	})
}
