package cluster_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/outcome"
)

// TestRetriesKeepTheRestOfTheTTL: each try has what the caller's TTL has left,
// neither the whole of it again nor less than that.
func TestRetriesKeepTheRestOfTheTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const ttl, hint = 2 * time.Second, 300 * time.Millisecond
		began := time.Now()
		tr := &fakeTransport{reply: func(_ context.Context, try int, env cluster.Envelope) ([]byte, error) {
			left := ttl - time.Since(began)
			if got := env.TTL(); got > left || got < left-2*time.Millisecond {
				t.Errorf("try %d: the envelope has %v, the caller %v", try, got, left)
			}
			if try < 4 {
				return nil, outcome.Overloaded(hint, "full")
			}
			return nil, nil
		}}
		client := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 4, RetryOn: []error{cluster.ErrOverloaded}})
		if _, err := client.RequestKey(context.Background(), "k", "Get", nil, cluster.WithTTL(ttl)); err != nil {
			t.Error(err)
		}
	})
}

// TestActivationCauseIsNotTheCalls: what an activation has failed with does not
// make the client try again, or call its own time up.
func TestActivationCauseIsNotTheCalls(t *testing.T) {
	for _, cause := range []error{cluster.ErrEnvelopeExpired, cluster.ErrDisconnected, cluster.ErrDraining} {
		tr := cluster.CreateInMemoryTransport(t)
		var made atomic.Int32
		startNode(t, cluster.NodeOptions{Transport: tr, NumShards: 1, Shards: []uint32{0}, Handler: cluster.NewKeyHandler(func(string) (cluster.ServerHandlerFunc, error) {
			made.Add(1)
			return nil, cause
		})})
		client := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 1})
		_, err := client.RequestKey(t.Context(), "k", "Get", nil)
		wantError(t, err, cluster.ErrActivationFailed, cluster.NotStarted)
		if errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, cause) || made.Load() != 1 {
			t.Errorf("%v after %d activations", err, made.Load())
		}
	}
}
