package cluster_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
)

// spareWay says how a handler asks.
type spareWay struct{ How string }

// TestCallsThatAskAreUsedAgain on both transports: the context of such a call has no message any more when the turn is
// over.
func TestCallsThatAskAreUsedAgain(t *testing.T) {
	testkit.EachTransport(t, func(t *testing.T, kind testkit.TransportKind) {
		var client *cluster.Client
		var kept *actor.Context // from one turn of the key to the next
		ask := func(ctx context.Context) error {
			_, err := client.Key("leaf").Request(ctx, walk{})
			return err
		}
		asks := map[string]func(ctx context.Context) error{
			"asks":  ask,
			"twice": func(ctx context.Context) error { return errors.Join(ask(ctx), ask(ctx)) },
			"tells": func(ctx context.Context) error { return client.Key("leaf").Notify(ctx, told{}) },
			"with a context of its own": func(ctx context.Context) error {
				ctx, cancel := context.WithTimeout(ctx, time.Minute)
				defer cancel()
				return ask(ctx)
			},
			"with one that goes on": func(ctx context.Context) error { return ask(context.WithoutCancel(ctx)) },
		}
		def := actor.Define("asking", func(string) *struct{} { return new(struct{}) },
			actor.OnRequest(func(_ *struct{}, c *actor.Context, m spareWay) (walked, error) {
				if m.How == "" {
					if kept.Message().Type != "" || kept.Err() != context.Canceled {
						return walked{}, errors.New("its call is not used again")
					}
					return walked{}, nil
				}
				kept = c
				return walked{}, asks[m.How](c)
			}),
			actor.OnRequest(func(*struct{}, *actor.Context, walk) (walked, error) { return walked{}, nil }),
			actor.OnNotify(func(*struct{}, *actor.Context, told) error { return nil }))
		c := testkit.NewCluster(t, testkit.ClusterOptions{Nodes: 2, NumShards: 4, Transport: kind, Log: quiet, Handler: cluster.NewActorHandler(def.New)})
		client = c.Client()
		for how := range asks {
			for _, next := range []string{how, ""} {
				if _, err := client.Key("asks").Request(t.Context(), spareWay{next}); err != nil {
					t.Errorf("%s: %v", how, err)
				}
			}
		}
	})
}
