package cluster_test

import (
	"context"
	"testing"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
)

// TestAroundKeepsTheReply: an Around may read a reply for as long as it likes, and the caller in its process may change it.
func TestAroundKeepsTheReply(t *testing.T) {
	kind := actor.Define("uniform", func(string) *struct{} { return &struct{}{} },
		actor.OnRequest(func(_ *struct{}, _ *actor.Context, m uniform) (uniform, error) { return m, nil }))
	var kept []byte
	client := serve(t, nil, func(n *cluster.NodeOptions, _ *cluster.ClientOptions) {
		n.Handler = cluster.NewActorHandler(kind.New)
		n.Around = func(ctx context.Context, in *cluster.Incoming, next func(context.Context) error) error {
			err := next(ctx)
			kept, _ = in.Reply()
			return err
		}
	})
	const sent = `{"Text":"aaa"}`
	for range 2 {
		got, err := client.Key("k").RequestRaw(t.Context(), "uniform", []byte(sent))
		if err != nil || string(got) != sent {
			t.Fatalf("%s, %v", got, err)
		}
		clear(got)
		if string(kept) != sent {
			t.Fatalf("the Around has %q", kept)
		}
	}
}
