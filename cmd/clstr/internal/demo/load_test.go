package demo

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/memtransport"
)

// TestLoadIsOpenLoop: where some shards do not answer, the requests to the others go
// on at their rate, and those to the silent ones are seen to wait.
func TestLoadIsOpenLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := memtransport.New(memtransport.Options{MaxConcurrentHandlers: -1})
		shards := make([]uint32, NumShards)
		for i := range shards {
			shards[i] = uint32(i)
		}
		silent := shards[:NumShards/4]
		node := cluster.NewNode(cluster.NodeOptions{NodeID: "a", Transport: tr, NumShards: NumShards, Shards: shards, Log: slog.New(slog.DiscardHandler),
			Kinds: map[string]cluster.ServerHandlerFunc{Kind: func(ctx context.Context, env transport.Envelope) ([]byte, error) {
				if slices.Contains(silent, uint32(env.Shard)) {
					<-ctx.Done()
					return nil, ctx.Err()
				}
				return []byte(`{"Value":1}`), nil
			}}})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- node.Run(ctx) }()
		<-node.Ready()
		client, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: NumShards})
		if err != nil {
			t.Fatal(err)
		}
		of := 0 // of all keys, those of silent shards
		for i := range keys {
			if slices.Contains(silent, cluster.ShardFromString(keyOf(i), NumShards, "")) {
				of++
			}
		}
		l := StartLoad(client)
		time.Sleep(4 * time.Second) // virtual
		synctest.Wait()
		c, _ := l.Look()
		if c.Sent < 3*Rate || c.Answered*keys < c.Sent*(keys-of)*95/100 || c.Waiting() == 0 || c.Fails() != 0 {
			t.Errorf("%+v, %d wait; %d of %d keys are in silent shards", c, c.Waiting(), of, keys)
		}
		time.Sleep(6 * time.Second)
		synctest.Wait()
		c, _ = l.Look()
		if most := int(callLimit/time.Second+1) * Rate; c.Waiting() > most || c.Fails() == 0 {
			t.Errorf("%d requests wait, and %d have failed: more than %d cannot be under way", c.Waiting(), c.Fails(), most)
		}
		l.Stop()
		if c, _ = l.Look(); c.Waiting() != 0 {
			t.Errorf("%d requests are under way after Stop", c.Waiting())
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
	})
}
