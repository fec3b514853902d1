package cluster_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
)

// protoWalker is a protoactor actor that walks.
type protoWalker struct {
	w   *walkers
	key string
}

type protoWalk struct{ Path []string }

func init() { actor.RegisterMessage[protoWalk]() }

// Receive implements protoactor's Actor.
func (p *protoWalker) Receive(ctx pactor.Context) {
	m, ok := ctx.Message().(protoWalk)
	if !ok {
		return
	}
	r := &walked{}
	var err error
	if len(m.Path) > 0 {
		to := cluster.NewRequest[protoWalk, walked](p.w.Client().Key(m.Path[0]))
		r, err = to.Request(actor.ContextOf(ctx), protoWalk{m.Path[1:]})
	}
	if err != nil {
		ctx.Respond(err)
		return
	}
	ctx.Respond(walked{append([]string{p.key}, r.Keys...)})
}

// TestCircleOfProtoactors: actors of protoactor's kind, which ask with the context of
// their turn.
func TestCircleOfProtoactors(t *testing.T) {
	testkit.EachTransport(t, func(t *testing.T, kind testkit.TransportKind) {
		w := &walkers{}
		w.Cluster = testkit.NewCluster(t, testkit.ClusterOptions{
			Nodes: 3, NumShards: 16, Transport: kind, Log: quiet,
			Handler: cluster.NewActorHandler(func(key string) (actor.Actor, error) { return &protoWalker{w, key}, nil }),
		})
		ask := func(path ...string) (*walked, error) {
			return cluster.NewRequest[protoWalk, walked](w.Client().Key(path[0])).Request(t.Context(), protoWalk{path[1:]})
		}
		for _, path := range [][]string{{"a", "a"}, {"a", "b", "a"}, {"a", "b", "c", "a"}} {
			began := time.Now()
			_, err := ask(path...)
			circle(t, err, time.Since(began), path...)
		}
		if r, err := ask("a", "b", "c"); err != nil || fmt.Sprint(r.Keys) != "[a b c]" {
			t.Errorf("%v, %v", r, err)
		}
	})
}

// TestCircleOfKinds: entities of several kinds, with one key.
func TestCircleOfKinds(t *testing.T) {
	testkit.EachTransport(t, func(t *testing.T, kind testkit.TransportKind) {
		var c *testkit.Cluster
		order := actor.Define("order", func(string) *struct{} { return new(struct{}) },
			actor.OnRequest(func(_ *struct{}, ctx *actor.Context, m walk) (walked, error) {
				r, err := cluster.NewRequest[walk, walked](c.Client().Kind("account").Key(ctx.Key())).Request(ctx, m)
				if err != nil {
					return walked{}, err
				}
				return *r, nil
			}))
		account := actor.Define("account", func(string) *struct{} { return new(struct{}) },
			actor.OnRequest(func(_ *struct{}, ctx *actor.Context, m walk) (walked, error) {
				if len(m.Path) == 0 {
					return walked{}, nil
				}
				_, err := cluster.NewRequest[walk, walked](c.Client().Kind("order").Key(ctx.Key())).Request(ctx, walk{})
				return walked{}, err
			}))
		c = testkit.NewCluster(t, testkit.ClusterOptions{Nodes: 2, NumShards: 16, Transport: kind, Log: quiet, Kinds: map[string]cluster.ServerHandlerFunc{
			"order": cluster.NewActorHandler(order.New), "account": cluster.NewActorHandler(account.New),
		}})
		began := time.Now()
		key := cluster.NewRequest[walk, walked](c.Client().Kind("order").Key("7"))
		_, err := key.Request(t.Context(), walk{[]string{"back"}})
		circle(t, err, time.Since(began))
		if want := `"order" key "7" asks "account" key "7" asks "order" key "7"`; err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %s", err, want)
		}
		if _, err := key.Request(t.Context(), walk{}); err != nil {
			t.Errorf("one key of two kinds is no circle: %v", err)
		}
	})
}

// TestCircleOfScopedHandlers: keys that a handler finds in messages are named, and not
// those by which its clients send; the same where a middleware stands before it.
func TestCircleOfScopedHandlers(t *testing.T) {
	testkit.EachTransport(t, func(t *testing.T, kind testkit.TransportKind) {
		for _, wrap := range []func(cluster.ServerHandlerFunc) cluster.ServerHandlerFunc{func(h cluster.ServerHandlerFunc) cluster.ServerHandlerFunc { return h }, wrapped} {
			circleOfScopedHandlers(t, kind, wrap)
		}
	})
}

func circleOfScopedHandlers(t *testing.T, kind testkit.TransportKind, wrap func(cluster.ServerHandlerFunc) cluster.ServerHandlerFunc) {
	var c *testkit.Cluster
	ask := func(ctx context.Context, path []string) error {
		_, err := cluster.NewRequest[walk, walked](c.Client().Key("by "+path[0])).Request(ctx, walk{path})
		return err
	}
	pathOf := func(env cluster.Envelope) (path []string, err error) {
		var m walk
		err = json.Unmarshal(env.Data, &m)
		return m.Path, err
	}
	c = testkit.NewCluster(t, testkit.ClusterOptions{Nodes: 2, NumShards: 16, Transport: kind, Log: quiet, Handler: wrap(cluster.NewScopedHandler(cluster.ScopedHandlerOpts{
		Extract: func(env cluster.Envelope) (string, error) {
			path, err := pathOf(env)
			return path[0], err
		},
		Create: func(string) (cluster.ServerHandlerFunc, error) {
			return func(ctx context.Context, env cluster.Envelope) ([]byte, error) {
				path, err := pathOf(env)
				if err == nil && len(path) > 1 {
					err = ask(ctx, path[1:])
				}
				return []byte("{}"), err
			}, nil
		},
	}))})
	for _, path := range [][]string{{"a", "a"}, {"a", "b", "c", "a"}} {
		began := time.Now()
		circle(t, ask(t.Context(), path), time.Since(began), path...)
	}
	if err := ask(t.Context(), []string{"a", "b", "c"}); err != nil {
		t.Error(err)
	}
}
