package cluster_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/internal/hosting"
)

// TestANotificationWithoutADeadline is tried for 30 s, if its client is set to try again when a key has no room. The error says that the
// notification never ran.
func TestANotificationWithoutADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		goOn := make(chan struct{})
		h := cluster.NewActorHandlerWithOpts(hosting.Funcs(func(string) (cluster.ServerHandlerFunc, error) {
			return func(context.Context, cluster.Envelope) ([]byte, error) { <-goOn; return nil, nil }, nil
		}), cluster.HandlerOptions{MailboxSize: 1})
		client := serve(t, h, func(_ *cluster.NodeOptions, c *cluster.ClientOptions) { c.RetryOn = []error{cluster.ErrOverloaded} })
		defer close(goOn)
		key := client.Key("k")
		for range 2 { // one runs, and one waits
			if err := key.NotifyRaw(context.Background(), "Note", nil); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		for name, opts := range map[string][]cluster.EnvelopeOption{"with an ack": nil, "without one": {cluster.WithoutAck()}} {
			began := time.Now()
			err := key.NotifyRaw(context.Background(), "Note", nil, opts...)
			wantError(t, err, cluster.ErrOverloaded, cluster.NotStarted)
			if took := time.Since(began); took < cluster.DefaultRequestTimeout-time.Second || took > cluster.DefaultRequestTimeout {
				t.Errorf("%s: it took %v", name, took)
			}
		}
	})
}
