package cluster_test

import (
	"context"
	"strings"
	"testing"

	"github.com/clstr-go/clstr/cluster"
)

// kindHandler answers with its name, the key and the shard's number.
func kindHandler(name string) cluster.ServerHandlerFunc {
	return cluster.NewKeyHandler(func(key string) (cluster.ServerHandlerFunc, error) {
		return func(_ context.Context, env cluster.Envelope) ([]byte, error) {
			return []byte(name + " " + key + " " + string(rune('0'+env.Shard))), nil
		}, nil
	})
}

func TestKinds(t *testing.T) {
	client := serve(t, kindHandler("none"), func(n *cluster.NodeOptions, _ *cluster.ClientOptions) {
		n.Kinds = map[string]cluster.ServerHandlerFunc{"account": kindHandler("account"), "order": kindHandler("order")}
	})
	shard := string(rune('0' + cluster.ShardFromString("a-1", 4, "")))
	for kind, scoped := range map[string]*cluster.ScopedClient{
		"account": client.Kind("account").Key("a-1"),
		"order":   client.Kind("order").Key("a-1"),
		"none":    client.Key("a-1"),
	} {
		got, err := scoped.Request(t.Context(), touch{})
		if err != nil || string(got) != kind+" a-1 "+shard {
			t.Errorf("%s: got %q, %v", kind, got, err)
		}
	}
	_, err := client.Kind("acount").Key("a-1").Request(t.Context(), touch{})
	wantError(t, err, cluster.ErrUnknownKind, cluster.NotStarted)
	for _, w := range []string{`"acount"`, "node-1", `"account", "order"`, "without a kind", `key "a-1"`} {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %s", err, w)
		}
	}
}

func TestNodeOfKindsOnly(t *testing.T) {
	client := serve(t, nil, func(n *cluster.NodeOptions, _ *cluster.ClientOptions) {
		n.Kinds = map[string]cluster.ServerHandlerFunc{"account": kindHandler("account")}
	})
	if _, err := client.Kind("account").Key("k").Request(t.Context(), touch{}); err != nil {
		t.Error(err)
	}
	_, err := client.Key("k").Request(t.Context(), touch{})
	wantError(t, err, cluster.ErrUnknownKind, cluster.NotStarted)
	err = client.Key("k").Notify(t.Context(), touch{})
	wantError(t, err, cluster.ErrUnknownKind, cluster.NotStarted)
}

// TestKindOptions: a kind's client carries the scoped options too.
func TestKindOptions(t *testing.T) {
	client := serve(t, nil, func(n *cluster.NodeOptions, _ *cluster.ClientOptions) {
		n.Kinds = map[string]cluster.ServerHandlerFunc{"plain": headerOf}
	})
	got, err := client.Kind("plain").Key("k", cluster.WithHeader("trace", "t1")).Request(t.Context(), header("trace"))
	if err != nil || string(got) != "t1" {
		t.Errorf("got %q, %v", got, err)
	}
}
