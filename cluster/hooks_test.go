package cluster_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
)

type hooked struct{ key string }

// TestHooksThatAskDoNotStarve: with room for one running handler, an entity may
// ask another while it is activated, passivated and ticks.
func TestHooksThatAskDoNotStarve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var client *cluster.Client
		asked := map[string]int{} // written on the turns of one key
		ask := func(hook string) func(*hooked, *actor.Context) error {
			return func(h *hooked, c *actor.Context) error {
				if h.key != "a" {
					return nil
				}
				began := time.Now()
				_, err := client.Key("b").Request(c, touch{})
				if err != nil || time.Since(began) > 0 {
					t.Errorf("%s: after %v: %v", hook, time.Since(began), err)
				}
				asked[hook]++
				return nil
			}
		}
		entity := actor.Define("hooked", func(key string) *hooked { return &hooked{key} },
			actor.OnRequest(func(*hooked, *actor.Context, touch) (int, error) { return 1, nil }),
			actor.OnActivate(ask("activate")), actor.OnPassivate(ask("passivate")), actor.Every(time.Second, ask("every")),
			actor.PassivateAfter(3*time.Second),
		)
		tr := cluster.NewInMemoryTransport(cluster.MemoryTransportOpts{MaxConcurrentHandlers: 1}).WithLog(quiet)
		stop := startNode(t, cluster.NodeOptions{Transport: tr, Shards: []uint32{0}, Handler: cluster.NewActorHandler(entity.New), Log: quiet})
		client = newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 1})
		if _, err := client.Key("a").Request(context.Background(), touch{}); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute) // virtual
		synctest.Wait()
		if asked["activate"] != 1 || asked["passivate"] != 1 || asked["every"] < 2 {
			t.Errorf("asked %v", asked)
		}
		stop()
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestStuckHook: its callers learn that nothing ran, when its time is up and at
// once from then on, and the end of its node says which key is stuck.
func TestStuckHook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		entity := actor.Define("stuck", func(key string) *hooked { return &hooked{key} },
			actor.OnRequest(func(*hooked, *actor.Context, touch) (int, error) { return 1, nil }),
			actor.OnActivate(func(h *hooked, _ *actor.Context) error {
				if h.key == "a" {
					<-gate
				}
				return nil
			}),
			actor.HookTimeout(5*time.Second),
		)
		tr := cluster.NewInMemoryTransport().WithLog(quiet)
		node := cluster.NewNode(cluster.NodeOptions{
			Transport: tr, Shards: []uint32{0}, Log: quiet, StopTimeout: 10 * time.Second,
			Kinds: map[string]cluster.ServerHandlerFunc{"account": cluster.NewActorHandler(entity.New)},
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- node.Run(ctx) }()
		<-node.Ready()
		accounts := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 1}).Kind("account")

		began := time.Now()
		_, err := accounts.Key("a").Request(t.Context(), touch{})
		if wantError(t, err, cluster.ErrActivationFailed, cluster.NotStarted); time.Since(began) != 5*time.Second {
			t.Errorf("told after %v", time.Since(began))
		}
		if err := accounts.Key("a").Notify(t.Context(), touch{}, cluster.WithTTL(time.Second)); err == nil {
			t.Error("a stuck key took a notification")
		} else {
			wantError(t, err, cluster.ErrOverloaded, cluster.NotStarted)
		}
		if _, err := accounts.Key("b").Request(t.Context(), touch{}); err != nil {
			t.Errorf("a neighbour: %v", err)
		}
		began = time.Now()
		cancel()
		err = <-ended
		if took := time.Since(began); took != 10*time.Second || err == nil {
			t.Fatalf("the node ended after %v: %v", took, err)
		}
		for _, part := range []string{`kind "account"`, "shard 0", `key "a"`, "activation"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%v does not say %s", err, part)
			}
		}
		close(gate)
		synctest.Wait()
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
	})
}
