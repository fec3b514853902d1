package cluster_test

import (
	"context"
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
