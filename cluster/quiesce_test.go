package cluster_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
)

type (
	pass   struct{ On, How string }
	passed struct{}
	caught struct{}
	taken  struct{}
)

// baton is entities that pass on what they are sent, in various ways, when they may.
type baton struct {
	client atomic.Pointer[cluster.Client]
	begun  chan struct{}
	goOn   chan struct{}
	caught atomic.Int32
}

func (r *baton) pass(_ *struct{}, c *actor.Context, m pass) (passed, error) {
	if m.On == "" {
		return passed{}, nil
	}
	close(r.begun)
	<-r.goOn
	to := r.client.Load().Kind("baton").Key(m.On)
	switch m.How {
	case "notifies":
		return passed{}, to.Notify(c, caught{})
	case "notifies without an acknowledgement":
		return passed{}, to.Notify(c, caught{}, cluster.WithoutAck())
	}
	_, err := cluster.NewRequest[taken, passed](to).Request(c, taken{})
	return passed{}, err
}

// TestHandlersThatAskAtTheEnd: what a handler that runs asks of another key is served as
// its node ends, be it the last one, or one with a fixed list of shards. The node does not
// wait for more than that.
func TestHandlersThatAskAtTheEnd(t *testing.T) {
	own := cluster.ShardFromString("a", 2, "")
	testkit.EachTransport(t, func(t *testing.T, kind testkit.TransportKind) {
		for _, live := range []bool{false, true} {
			for _, how := range []string{"asks", "notifies", "notifies without an acknowledgement"} {
				for name, to := range map[string]string{"its own shard": inShard(own), "another": inShard(1 - own)} {
					t.Run(fmt.Sprintf("live %v, %s %s", live, how, name), func(t *testing.T) {
						r := &baton{begun: make(chan struct{}), goOn: make(chan struct{})}
						d := actor.Define("baton", func(string) *struct{} { return new(struct{}) },
							actor.OnRequest(r.pass),
							actor.OnNotify(func(*struct{}, *actor.Context, caught) error { r.caught.Add(1); return nil }),
							actor.OnRequest(func(*struct{}, *actor.Context, taken) (passed, error) { r.caught.Add(1); return passed{}, nil }))
						c := testkit.NewCluster(t, testkit.ClusterOptions{
							Nodes: 1, NumShards: 2, Live: live, Timing: noLeaseEnds, StopTimeout: 30 * time.Second, Transport: kind, Log: slog.New(slog.DiscardHandler),
							Kinds: map[string]cluster.ServerHandlerFunc{"baton": cluster.NewActorHandler(d.New)},
						})
						if live {
							c.Settle()
						}
						r.client.Store(c.Client())
						ended := make(chan error, 1)
						go func() { // ends with the node
							_, err := cluster.NewRequest[pass, passed](c.Client().Kind("baton").Key("a")).Request(t.Context(), pass{to, how})
							ended <- err
						}()
						<-r.begun
						go r.whenRefused(t.Context(), c.Client()) // ends with the node's service
						began := time.Now()
						c.StopNode("node-0")
						if err := <-ended; err != nil || r.caught.Load() != 1 {
							t.Errorf("the handler was told %v, and %d have been served", err, r.caught.Load())
						}
						if took := time.Since(began); took > 20*time.Second { // of 30 that it may take
							t.Errorf("the node has ended after %v", took)
						}
					})
				}
			}
		}
	})
}

// whenRefused lets the handler go on when its node refuses what others ask.
func (r *baton) whenRefused(ctx context.Context, client *cluster.Client) {
	for shard := range uint32(2) {
		key := inShard(shard)
		for err := error(nil); err == nil; {
			ctx, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
			_, err = cluster.NewRequest[pass, passed](client.Kind("baton").Key(key)).Request(ctx, pass{})
			cancel()
		}
	}
	close(r.goOn)
}

// inShard returns a key of one of two shards.
func inShard(shard uint32) string {
	for i := 0; ; i++ {
		if key := fmt.Sprint("key-", i); cluster.ShardFromString(key, 2, "") == shard {
			return key
		}
	}
}
