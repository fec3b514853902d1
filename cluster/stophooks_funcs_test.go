package cluster_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
)

// TestStopHooksOfATransportThatKnowsFuncs: such a transport's subscriptions end before the
// keys. What a stop hook asks then is refused soon, as never run, and holds up no end.
func TestStopHooksOfATransportThatKnowsFuncs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var client *cluster.Client
		told := make(chan error, 1)
		d := actor.Define("bell", func(key string) *string { return &key },
			actor.OnRequest(func(*string, *actor.Context, ring) (ringed, error) { return ringed{}, nil }),
			actor.OnPassivate(func(key *string, c *actor.Context) error {
				if *key == "a" {
					_, err := cluster.NewRequest[ring, ringed](client.Key("b")).Request(c, ring{})
					told <- err
				}
				return nil
			}))
		tr := cluster.NewInMemoryTransport().WithLog(quiet)
		node := cluster.NewNode(cluster.NodeOptions{
			Transport: struct{ cluster.ServerTransport }{tr}, NumShards: 1, Shards: []uint32{0},
			Handler: cluster.NewActorHandler(d.New), Log: quiet,
		})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- node.Run(ctx) }() // ends with ctx
		<-node.Ready()
		client = newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 1})
		if _, err := cluster.NewRequest[ring, ringed](client.Key("a")).Request(t.Context(), ring{}); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		stop()
		if err := <-ended; err != nil || time.Since(began) > time.Second {
			t.Errorf("the node has ended after %v: %v", time.Since(began), err)
		}
		if err := <-told; !cluster.OutcomeOf(err).NeverRan() {
			t.Errorf("the stop hook was told %v (%v)", err, cluster.OutcomeOf(err))
		}
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
	})
}
