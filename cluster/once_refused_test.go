package cluster_test

import (
	"context"
	"sync/atomic"
	"testing"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
)

type pay struct{}

// TestIDNeedsDurableState: what could not know an ID again refuses it, whatever handles it,
// so that nobody takes for once-only what is not.
func TestIDNeedsDurableState(t *testing.T) {
	var ran atomic.Int32
	fn := func(context.Context, cluster.Envelope) ([]byte, error) { ran.Add(1); return []byte("{}"), nil }
	hosted := cluster.NewKeyHandler(func(string) (cluster.ServerHandlerFunc, error) { return fn, nil })
	typed := actor.Define("typed", func(string) *ledger { return &ledger{} },
		actor.OnRequest(func(*ledger, *actor.Context, pay) (int, error) { ran.Add(1); return 0, nil }))
	kinds := map[string]cluster.ServerHandlerFunc{
		"func":  fn,
		"keyed": hosted,
		"scoped": cluster.NewScopedHandler(cluster.ScopedHandlerOpts{
			Extract: func(env cluster.Envelope) (string, error) { return env.Key, nil },
			Create:  func(string) (cluster.ServerHandlerFunc, error) { return fn, nil },
		}),
		"typed": cluster.NewActorHandler(typed.New),
		"protoactor": cluster.NewActorHandler(func(string) (actor.Actor, error) {
			return pactor.ReceiveFunc(func(ctx pactor.Context) {
				if m, ok := ctx.Message().(*actor.Message); ok && m.Type == "pay" {
					ran.Add(1)
					ctx.Respond([]byte("{}"))
				}
			}), nil
		}),
		"behind a func": func(ctx context.Context, env cluster.Envelope) ([]byte, error) { return hosted(ctx, env) },
	}
	testkit.EachTransport(t, func(t *testing.T, tr testkit.TransportKind) {
		for _, live := range []bool{false, true} {
			ran.Store(0)
			c := testkit.NewCluster(t, testkit.ClusterOptions{Transport: tr, Nodes: 2, Kinds: kinds, Live: live, Timing: noLeaseEnds})
			client, calls := c.Client(), int32(0)
			for kind := range kinds {
				key := client.Kind(kind).Key("k")
				if _, err := key.Request(t.Context(), pay{}); err != nil {
					t.Fatalf("%s without an ID: %v", kind, err)
				}
				calls++
				for _, opt := range []cluster.EnvelopeOption{cluster.WithID("order-1"), cluster.Once()} {
					_, err := key.Request(t.Context(), pay{}, opt)
					wantError(t, err, cluster.ErrNotDurable, cluster.NotStarted)
				}
				if kind == "func" || kind == "behind a func" { // which is refused before it is accepted
					wantError(t, key.Notify(t.Context(), pay{}, cluster.WithID("order-1")), cluster.ErrNotDurable, cluster.NotStarted)
				} else if err := key.Notify(t.Context(), pay{}, cluster.WithID("order-1")); err != nil {
					wantError(t, err, cluster.ErrNotDurable, cluster.NotStarted)
				}
				if _, err := key.Request(t.Context(), pay{}); err != nil { // behind the notification
					t.Fatalf("%s without an ID: %v", kind, err)
				}
				calls++
				if ran.Load() != calls {
					t.Fatalf("%s: %d calls without an ID, %d have run", kind, calls, ran.Load())
				}
			}
		}
	})
}
