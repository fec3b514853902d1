package cluster_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/cluster"
)

// TestHandlerOfThisProcessKnowsWhenItWasSent: a message that does not leave the process says when it was sent, whether it has
// an end or not, however long it has stood in line.
func TestHandlerOfThisProcessKnowsWhenItWasSent(t *testing.T) {
	for name, set := range map[string]func(*cluster.ClientOptions){
		"as a value": func(*cluster.ClientOptions) {},
		"as bytes":   func(o *cluster.ClientOptions) { o.StrictReplies = true },
		"with an Intercept": func(o *cluster.ClientOptions) {
			o.Intercept = func(ctx context.Context, _ *cluster.Outgoing, next func(context.Context) error) error {
				return next(ctx)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				at, first := make(chan int64, 8), make(chan struct{})
				handler := cluster.NewKeyHandler(func(string) (cluster.ServerHandlerFunc, error) {
					return func(_ context.Context, env cluster.Envelope) ([]byte, error) {
						<-first
						at <- env.CreatedAtMs
						return nil, nil
					}, nil
				})
				tr := cluster.NewInMemoryTransport().WithLog(quiet)
				opts := cluster.ClientOptions{Transport: tr, NumShards: 4}
				set(&opts)
				client := newClient(t, opts)
				stop := startNode(t, cluster.NodeOptions{NodeID: "a", Transport: tr, NumShards: 4, Shards: []uint32{0, 1, 2, 3}, Handler: handler})
				key := client.Key("k")
				var sent []int64
				send := func(err error) {
					if err != nil {
						t.Error(err)
					}
					sent = append(sent, time.Now().UnixMilli())
					time.Sleep(time.Second)
				}
				send(key.Notify(t.Context(), touch{}))
				send(key.Notify(t.Context(), touch{}, cluster.WithoutAck()))
				send(key.Notify(t.Context(), touch{}, cluster.WithTTL(time.Hour)))
				send(key.NotifyRaw(t.Context(), "raw", nil, cluster.WithoutAck()))
				send(key.NotifyAsync(t.Context(), touch{}).Err())
				close(first)
				for i, want := range sent {
					if got := <-at; got != want {
						t.Errorf("message %d of %d: sent at %d, and its handler was told %d", i, len(sent), want, got)
					}
				}
				stop()
				_ = tr.Close()
			})
		})
	}
}
