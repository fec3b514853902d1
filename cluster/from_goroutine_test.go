package cluster_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/transport/memtransport"
)

// TestEndedFromAGoroutineOfAHandler: a handler starts a goroutine that ends the node or
// the transport, and waits for it. That cannot be told from one that it does not wait
// for: it has an end all the same, also where handlers have no limit.
func TestEndedFromAGoroutineOfAHandler(t *testing.T) {
	silent := slog.New(slog.DiscardHandler)
	for _, limit := range []time.Duration{2 * time.Second, -1} {
		for _, what := range []string{"stop", "Close"} {
			for _, from := range []string{"method", "func", "OnActivate"} {
				t.Run(fmt.Sprint(limit, what, from), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						tr := memtransport.New(memtransport.Options{HandlerTimeout: limit}).WithLog(silent)
						var stop func() error
						told := make(chan error, 1)
						waits := func(at string) {
							if at != from {
								return
							}
							over := make(chan error)
							go func() { // ends with what it calls
								if what == "stop" {
									over <- stop()
								} else {
									over <- tr.Close()
								}
							}()
							told <- <-over
						}
						def := actor.Define("closer", func(string) *struct{} { return new(struct{}) }, actor.HookTimeout(-1),
							actor.OnActivate(func(*struct{}, *actor.Context) error { waits("OnActivate"); return nil }),
							actor.OnRequest(func(*struct{}, *actor.Context, where) (done, error) { waits("method"); return done{}, nil }))
						node := cluster.NewNode(cluster.NodeOptions{
							NodeID: "a", Transport: tr, NumShards: 1, Shards: []uint32{0}, Log: silent,
							Handler: cluster.NewActorHandler(def.New), Kinds: map[string]cluster.ServerHandlerFunc{
								"func": func(context.Context, cluster.Envelope) ([]byte, error) { waits("func"); return nil, nil },
							},
						})
						var err error
						if stop, err = node.Start(t.Context()); err != nil {
							t.Fatal(err)
						}
						client := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 1})
						began := time.Now()
						go func() { // ends with the handler
							if from == "func" {
								_, _ = client.Kind("func").Key("key").RequestRaw(context.Background(), "x", nil)
							} else {
								_, _ = cluster.NewRequest[where, done](client.Key("key")).Request(context.Background(), where{})
							}
						}()
						select {
						case err = <-told:
						case <-time.After(24 * time.Hour):
							panic("it waits for ever")
						}
						t.Logf("it took %v: %v", time.Since(began), err)
						if took := time.Since(began); err == nil || took > 2*time.Minute {
							t.Errorf("it took %v, and ends with %v", took, err)
						}
						_ = stop()
						if err := tr.Close(); err != nil {
							t.Errorf("a further Close: %v", err)
						}
					})
				})
			}
		}
	}
}
