package cluster_test

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/transport/memtransport"
)

type derive struct{}

func init() { actor.RegisterMessage[derive]() }

// deriver makes contexts from those of its handlers.
type deriver struct {
	t      *testing.T
	client *cluster.Client
	kept   []context.Context
}

func (d *deriver) derive(ctx context.Context) error {
	for _, keeps := range []bool{false, true} {
		made, cancel := context.WithTimeout(ctx, time.Minute)
		if keeps {
			d.kept = append(d.kept, made)
			context.AfterFunc(made, cancel)
		} else {
			defer cancel()
		}
		if _, err := cluster.NewRequest[walk, walked](d.client.Kind("leaf").Key("k")).Request(made, walk{}); err != nil {
			return err
		}
	}
	buf := make([]byte, 1<<20)
	for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(g, "synctest bubble") && strings.Contains(g, "created by context.(*cancelCtx).propagateCancel") {
			d.t.Errorf("a goroutine waits for the end of a context's parent:\n%s", g)
		}
	}
	return ctx.Err()
}

// Receive implements protoactor's Actor.
func (d *deriver) Receive(ctx pactor.Context) {
	if _, ok := ctx.Message().(derive); ok {
		if err := d.derive(actor.ContextOf(ctx)); err != nil {
			ctx.Respond(err)
			return
		}
		ctx.Respond(walked{})
	}
}

// TestContextsMadeFromATurns of each kind end with it, and no goroutine waits for that.
func TestContextsMadeFromATurns(t *testing.T) {
	entity := func(options ...actor.Option) cluster.ServerHandlerFunc {
		def := actor.Define("derives", func(string) *struct{} { return new(struct{}) }, append(options,
			actor.OnRequest(func(*struct{}, *actor.Context, walk) (walked, error) { return walked{}, nil }))...)
		return cluster.NewActorHandler(def.New)
	}
	for kind, h := range map[string]func(d *deriver) cluster.ServerHandlerFunc{
		"method": func(d *deriver) cluster.ServerHandlerFunc {
			return entity(actor.OnRequest(func(_ *struct{}, c *actor.Context, _ derive) (walked, error) { return walked{}, d.derive(c) }))
		},
		"protoactor": func(d *deriver) cluster.ServerHandlerFunc {
			return cluster.NewActorHandler(func(string) (actor.Actor, error) { return d, nil })
		},
		"func of keys": func(d *deriver) cluster.ServerHandlerFunc {
			return cluster.NewKeyHandler(func(string) (cluster.ServerHandlerFunc, error) {
				return func(ctx context.Context, _ cluster.Envelope) ([]byte, error) { return []byte("{}"), d.derive(ctx) }, nil
			})
		},
		"func": func(d *deriver) cluster.ServerHandlerFunc {
			return func(ctx context.Context, _ cluster.Envelope) ([]byte, error) { return []byte("{}"), d.derive(ctx) }
		},
		"hook": func(d *deriver) cluster.ServerHandlerFunc {
			return entity(actor.OnActivate(func(_ *struct{}, c *actor.Context) error { return d.derive(c) }),
				actor.OnRequest(func(*struct{}, *actor.Context, derive) (walked, error) { return walked{}, nil }))
		},
	} {
		for name, wrap := range map[string]func(cluster.ServerHandlerFunc) cluster.ServerHandlerFunc{"": func(h cluster.ServerHandlerFunc) cluster.ServerHandlerFunc { return h }, " behind a func": wrapped} {
			t.Run(kind+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					d := &deriver{t: t}
					tr := memtransport.New(memtransport.Options{}).WithLog(quiet)
					stop := startNode(t, cluster.NodeOptions{NodeID: "n", Transport: tr, NumShards: 1, Shards: []uint32{0}, Log: quiet,
						Kinds: map[string]cluster.ServerHandlerFunc{"derives": wrap(h(d)), "leaf": entity()}})
					d.client = newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 1})
					if _, err := cluster.NewRequest[derive, walked](d.client.Kind("derives").Key("k")).Request(t.Context(), derive{}); err != nil {
						t.Error(err)
					}
					synctest.Wait()
					for _, ctx := range d.kept {
						select {
						case <-ctx.Done():
						default:
							t.Error("a context that was kept is open")
						}
						if ctx.Err() != context.Canceled || context.Cause(ctx) != context.Canceled {
							t.Errorf("a context that was kept ends with %v, because of %v", ctx.Err(), context.Cause(ctx))
						}
						ran := make(chan struct{})
						context.AfterFunc(ctx, func() { close(ran) })
						<-ran
					}
					if len(d.kept) != 1 {
						t.Errorf("%d contexts are kept", len(d.kept))
					}
					stop()
					if err := tr.Close(); err != nil {
						t.Error(err)
					}
				})
			})
		}
	}
}
