package cluster_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
)

// TestStopWithOpenAnswersTakesUnderASecond: whether or not their requests were declared
// to have had no effect, and whatever leaves them open, answers that are owed to waiting
// callers hold a planned stop for less than a second.
func TestStopWithOpenAnswersTakesUnderASecond(t *testing.T) {
	for name, handler := range map[string]func(*boards) cluster.ServerHandlerFunc{
		"typed": (*boards).typed, "protoactor": (*boards).proto,
		"typed, wrapped":      func(b *boards) cluster.ServerHandlerFunc { return wrapped(b.typed()) },
		"protoactor, wrapped": func(b *boards) cluster.ServerHandlerFunc { return wrapped(b.proto()) },
	} {
		for _, live := range []bool{false, true} {
			for what, ask := range map[string]func(ctx context.Context, key *cluster.ScopedClient) error{"watch": asks[watch], "owe": asks[owe]} {
				synctest.Test(t, func(t *testing.T) {
					b := &boards{waits: make(chan string, 100)}
					c := testkit.NewCluster(t, testkit.ClusterOptions{Nodes: 2, NumShards: 8, Live: live, Timing: noLeaseEnds, Handler: handler(b), Log: quiet, StopTimeout: 20 * time.Second})
					if live {
						c.Settle()
					}
					ctx, cancel := context.WithTimeout(context.Background(), 14*time.Second)
					defer cancel()
					ended := make(chan error, 1)
					go func() { ended <- ask(ctx, c.Client().Key("key")) }() // ends with ctx
					awaits(t, b, "key")
					began := time.Now()
					c.StopNode(c.Owner("key"))
					if took := time.Since(began); took >= time.Second {
						t.Errorf("%s, live %v, %s: the stop took %v", name, live, what, took)
					}
					cancel()
					<-ended
				})
			}
		}
	}
}

func asks[M any](ctx context.Context, key *cluster.ScopedClient) error {
	var m M
	_, err := cluster.NewRequest[M, news](key).Request(ctx, m)
	return err
}
