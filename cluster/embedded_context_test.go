package cluster_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/transport/memtransport"
)

// impatient is a context of a user's own, which has a turn's and ends earlier.
type impatient struct {
	*actor.Context
	done  chan struct{}
	ended *atomic.Bool
}

func (i impatient) Done() <-chan struct{} { return i.done }

func (i impatient) Err() error {
	if i.ended.Load() {
		return context.Canceled
	}
	return i.Context.Err()
}

// TestContextThatEmbedsATurns: a call to another key ends with the context that it was given, also if that is a user's
// type around the turn's.
func TestContextThatEmbedsATurns(t *testing.T) {
	for name, wrap := range map[string]func(impatient) context.Context{
		"value":   func(i impatient) context.Context { return i },
		"pointer": func(i impatient) context.Context { return &i },
		"made from it": func(i impatient) context.Context {
			ctx, cancel := context.WithTimeout(i, time.Hour)
			context.AfterFunc(ctx, cancel)
			return ctx
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tr := memtransport.New(memtransport.Options{}).WithLog(quiet)
				hold := make(chan struct{})
				var client *cluster.Client
				def := actor.Define("entity", func(string) *struct{} { return new(struct{}) },
					actor.OnRequest(func(_ *struct{}, c *actor.Context, m add) (total, error) {
						if m.N == 1 {
							<-hold
							return total{}, nil
						}
						i := impatient{c, make(chan struct{}), new(atomic.Bool)}
						time.AfterFunc(time.Second, func() { i.ended.Store(true); close(i.done) })
						_, err := client.Key("other").Request(wrap(i), add{1})
						if !errors.Is(err, context.Canceled) {
							t.Errorf("the call to another key: %v", err)
						}
						return total{}, nil
					}))
				stop := startNode(t, cluster.NodeOptions{NodeID: "n", Transport: tr, NumShards: 4, Shards: []uint32{0, 1, 2, 3}, Log: quiet,
					Handler: cluster.NewActorHandler(def.New)})
				client = newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 4})
				began := time.Now()
				if _, err := client.Key("one").Request(t.Context(), add{}); err != nil {
					t.Error(err)
				}
				if took := time.Since(began); took != time.Second {
					t.Errorf("the turn took %v", took)
				}
				close(hold)
				stop()
				_ = tr.Close()
			})
		})
	}
}
