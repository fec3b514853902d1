package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
)

// TestOtherNumShards: a client of a live cluster that counts other shards is refused at
// once, whether the shard exists or not.
func TestOtherNumShards(t *testing.T) {
	t.Run("memtransport", func(t *testing.T) {
		spoil(t, func(t *testing.T, s *spoiling) {
			stop := s.start(s.node("a"))
			wantOtherLayout(t, s.tr, 16)
			if err := stop(); err != nil {
				t.Error(err)
			}
		})
	})
	testkit.EachTransport(t, func(t *testing.T, kind testkit.TransportKind) {
		var tr cluster.ClientTransport
		testkit.NewCluster(t, testkit.ClusterOptions{
			NumShards: 16, Transport: kind, Live: true, Timing: noLeaseEnds, Handler: echoData,
			Wrap: func(c cluster.ClientTransport) cluster.ClientTransport { tr = c; return c },
		}).Client()
		wantOtherLayout(t, tr, 16)
	})
}

// wantOtherLayout asks with twice the shards that there are.
func wantOtherLayout(t *testing.T, tr cluster.ClientTransport, numShards uint32) {
	t.Helper()
	client := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 2 * numShards})
	check := func(what string, err error, words ...string) {
		t.Helper()
		if !errors.Is(err, cluster.ErrLayoutMismatch) || !cluster.OutcomeOf(err).NeverRan() {
			t.Errorf("%s: %v", what, err)
		}
		for _, word := range words {
			if !strings.Contains(fmt.Sprint(err), word) {
				t.Errorf("%s: %v: want %q", what, err, word)
			}
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // of the 30 that each would wait
	defer cancel()
	for i := range 10 {
		key := fmt.Sprint("k", i)
		_, err := client.Key(key).RequestRaw(ctx, "x", nil)
		check("request to "+key, err, "32", " 16")
		check("notification to "+key, client.Key(key).NotifyRaw(ctx, "x", nil), "32", " 16")
	}
	_, err := client.Shard(30).RequestRaw(ctx, "x", nil)
	check("request to a shard", err, "no shard 30", " 16")
	if ctx.Err() != nil {
		t.Error("it was waited for")
	}
}
