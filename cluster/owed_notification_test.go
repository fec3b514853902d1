package cluster_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
)

// TestNotificationThatIsAnsweredLater keeps no key: nobody waits for its answer.
func TestNotificationThatIsAnsweredLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most, keys = 8, 100
		var active, heard atomic.Int32
		answers := make(chan actor.Answer[total], keys)
		def := actor.Define("poll", func(string) *struct{} { return new(struct{}) },
			actor.OnRequestLater(func(_ *struct{}, _ *actor.Context, _ add, a actor.Answer[total]) error {
				heard.Add(1)
				answers <- a
				return nil
			}),
			actor.OnActivate(func(*struct{}, *actor.Context) error { active.Add(1); return nil }),
			actor.OnPassivate(func(*struct{}, *actor.Context) error { active.Add(-1); return nil }))
		tr := cluster.NewInMemoryTransport().WithLog(quiet)
		stop := startNode(t, cluster.NodeOptions{NodeID: "n", Transport: tr, NumShards: 1, Shards: []uint32{0},
			Handler: cluster.NewActorHandlerWithOpts(def.New, cluster.HandlerOptions{CacheSize: most})})
		client := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 1})
		for i := range keys {
			opts := []cluster.EnvelopeOption{}
			if i%2 == 0 {
				opts = append(opts, cluster.WithoutAck())
			}
			if err := client.Key(fmt.Sprint("key-", i)).Notify(context.Background(), add{1}, opts...); err != nil {
				t.Error(err)
			}
			synctest.Wait()
		}
		if n := active.Load(); heard.Load() != keys || n > most {
			t.Errorf("%d of %d notifications were heard, and %d keys are active, at most %d", heard.Load(), keys, n, most)
		}
		for range keys {
			(<-answers).Reply(total{1}) // to nobody
		}
		stop()
		_ = tr.Close()
	})
}
