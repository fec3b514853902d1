package cluster_test

import (
	"context"
	"errors"
	"testing"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/transport"
)

// TestMaxInFlight: the limit is the node's, over all its shards, and a call counts once, whatever
// the transport knows of nodes.
func TestMaxInFlight(t *testing.T) {
	for name, wrap := range map[string]func(cluster.Transport) cluster.ServerTransport{
		"of the library":      func(tr cluster.Transport) cluster.ServerTransport { return tr },
		"of funcs":            func(tr cluster.Transport) cluster.ServerTransport { return onlyFuncs{tr} },
		"of its own lifetime": func(tr cluster.Transport) cluster.ServerTransport { return apart{tr} },
	} {
		t.Run(name, func(t *testing.T) {
			began, release := make(chan struct{}), make(chan struct{})
			hold := func(_ context.Context, env cluster.Envelope) ([]byte, error) {
				if env.Type == "Over" {
					return nil, nil // it must not come so far
				}
				began <- struct{}{}
				<-release
				return nil, nil
			}
			client := serve(t, hold, func(n *cluster.NodeOptions, _ *cluster.ClientOptions) {
				n.MaxInFlight, n.Transport = 2, wrap(n.Transport.(cluster.Transport))
			})
			defer close(release)
			for shard := range uint32(2) {
				err := client.NotifyShard(t.Context(), shard, "Hold", nil)
				for errors.Is(err, cluster.ErrOverloaded) { // while the transport's own call of the one before has not ended
					err = client.NotifyShard(t.Context(), shard, "Hold", nil)
				}
				if err != nil {
					t.Fatal(err)
				}
				<-began // a transport of funcs may say that it is accepted before the node knows of it
			}
			_, err := client.RequestShard(t.Context(), 2, "Over", nil)
			wantError(t, err, cluster.ErrOverloaded, cluster.NotStarted)
			if _, ok := cluster.RetryAfter(err); !ok {
				t.Errorf("%v does not say when to try again", err)
			}
		})
	}
}

// apart is a transport of funcs that carries its calls out on a lifetime of its own.
type apart struct{ transport.Transport }

func (a apart) SubscribeShard(_ context.Context, shard uint32, h transport.HandlerFunc) (transport.Subscription, error) {
	return a.Transport.SubscribeShard(context.Background(), shard, h)
}

// TestMaxInFlightOfRequests: a request that waits for its answer counts once too.
func TestMaxInFlightOfRequests(t *testing.T) {
	for name, wrap := range map[string]func(cluster.Transport) cluster.ServerTransport{
		"of the library": func(tr cluster.Transport) cluster.ServerTransport { return tr },
		"of funcs":       func(tr cluster.Transport) cluster.ServerTransport { return onlyFuncs{tr} },
	} {
		t.Run(name, func(t *testing.T) {
			const most = 5
			began, release := make(chan struct{}), make(chan struct{})
			client := serve(t, func(context.Context, cluster.Envelope) ([]byte, error) {
				began <- struct{}{}
				<-release
				return nil, nil
			}, func(n *cluster.NodeOptions, _ *cluster.ClientOptions) {
				n.MaxInFlight, n.Transport = most, wrap(n.Transport.(cluster.Transport))
			})
			told := make(chan error, most)
			for i := range uint32(most) {
				go func() { // ends when it is released
					_, err := client.RequestShard(context.Background(), i%4, "Hold", nil)
					told <- err
				}()
				select {
				case <-began:
				case err := <-told:
					t.Fatalf("request %d of %d: %v", i+1, most, err)
				}
			}
			_, err := client.RequestShard(t.Context(), 0, "Over", nil)
			wantError(t, err, cluster.ErrOverloaded, cluster.NotStarted)
			close(release)
			for range most {
				if err := <-told; err != nil {
					t.Error(err)
				}
			}
		})
	}
}
