package cluster_test

import (
	"context"
	"testing"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/internal/startstoptest"
	"github.com/clstr-go/clstr/membership/memstore"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport/memtransport"
)

func TestStartStop(t *testing.T) {
	for name, c := range map[string]struct{ live, start bool }{
		"fixed, Run": {false, false}, "fixed, Start": {false, true}, "live, Run": {true, false}, "live, Start": {true, true},
	} {
		t.Run(name, func(t *testing.T) {
			startstoptest.Run(t, func(t *testing.T) startstoptest.Service {
				tr := memtransport.New(memtransport.Options{}).WithLog(quiet)
				t.Cleanup(func() { _ = tr.Close() })
				var work startstoptest.Work
				opts := cluster.NodeOptions{
					NodeID: "a", Transport: tr, NumShards: 4, Log: quiet,
					Handler: func(context.Context, cluster.Envelope) ([]byte, error) {
						work.Do()
						return nil, nil
					},
				}
				if c.live {
					opts.Membership = memstore.New()
				} else {
					opts.Shards = []uint32{0, 1, 2, 3}
				}
				n := cluster.NewNode(opts)
				run := n.Run
				if c.start {
					run = func(ctx context.Context) error {
						stop, err := n.Start(context.Background())
						if err != nil {
							return err
						}
						<-ctx.Done()
						return stop()
					}
				}
				return startstoptest.Service{
					Run: run, Ready: n.Ready(),
					Use: func(ctx context.Context) error {
						_, err := tr.Request(ctx, cluster.Envelope{Shard: 1, Type: "Use"})
						return err
					},
					Refused: func(err error) bool { return outcome.Of(err).NeverRan() },
					Busy:    work.Running,
				}
			})
		})
	}
}
