package cluster_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/transport"
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
				return nil, transport.Overloaded(hint, "full")
			}
			return nil, nil
		}}
		client := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 4, RetryOn: []error{cluster.ErrOverloaded}})
		if _, err := client.RequestKey(context.Background(), "k", "Get", nil, cluster.WithTTL(ttl)); err != nil {
			t.Error(err)
		}
	})
}
