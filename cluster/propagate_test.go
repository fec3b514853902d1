package cluster_test

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/internal/bounds"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// relay is what the first entity passes on to the second, which tells what has come.
type relay struct{ Notify bool }

func (relay) MessageType() string { return "relay" }

type relayer struct{ on func(context.Context, relay) }

func (r *relayer) relay(c *actor.Context, m relay) (bool, error) { r.on(c, m); return true, nil }

// relayed are the ways to write the handler that is between.
func relayed(on func(context.Context, relay)) map[string]cluster.ServerHandlerFunc {
	fn := func(ctx context.Context, env cluster.Envelope) ([]byte, error) {
		clear(env.Headers) // they are the handler's to change
		on(ctx, relay{strings.Contains(string(env.Data), "true")})
		return []byte("true"), nil
	}
	typed := actor.Define("relayer", func(string) *relayer { return &relayer{on} }, actor.OnRequest((*relayer).relay))
	return map[string]cluster.ServerHandlerFunc{
		"func":     fn,
		"key func": cluster.NewKeyHandler(func(string) (cluster.ServerHandlerFunc, error) { return fn, nil }),
		"scoped": cluster.NewScopedHandler(cluster.ScopedHandlerOpts{
			Extract: func(env cluster.Envelope) (string, error) { clear(env.Headers); return env.Key, nil },
			Create:  func(string) (cluster.ServerHandlerFunc, error) { return fn, nil },
		}),
		"wrapped": wrapped(cluster.NewActorHandler(typed.New)),
		"typed":   cluster.NewActorHandler(typed.New),
		"protoactor": cluster.NewActorHandler(func(string) (actor.Actor, error) {
			return actorFunc(func(ctx pactor.Context) {
				if m, ok := ctx.Message().(*actor.Message); ok {
					clear(m.Headers)
					on(actor.ContextOf(ctx), relay{strings.Contains(string(m.Data), "true")})
					ctx.Respond(true)
				}
			}), nil
		}),
	}
}

type actorFunc func(pactor.Context)

func (f actorFunc) Receive(ctx pactor.Context) { f(ctx) }

// TestTraceTravels: from a caller through a handler to the next, as request and as
// notification, on both transports.
func TestTraceTravels(t *testing.T) {
	sent := map[string]string{"traceparent": "00-1-2-01", "tracestate": "a=1", "baggage": "user=7", "tenant": "t", "other": "o"}
	want := maps.Clone(sent)
	delete(want, "other")
	for name, connect := range bothTransports(t) {
		var client *cluster.Client
		seen := make(chan map[string]string, 1)
		last := func(_ context.Context, env cluster.Envelope) ([]byte, error) {
			seen <- env.Headers
			return []byte("true"), nil
		}
		for way := range relayed(nil) {
			t.Run(name+" "+way, func(t *testing.T) {
				tr := connect(t)
				first := relayed(func(ctx context.Context, m relay) {
					var err error
					if to := client.Kind("last").Key("z"); m.Notify {
						err = to.Notify(ctx, touch{})
					} else {
						_, err = to.Request(ctx, touch{})
					}
					if err != nil {
						t.Error(err)
					}
				})[way]
				startNode(t, cluster.NodeOptions{Transport: tr, NumShards: 4, Shards: []uint32{0, 1, 2, 3},
					Kinds: map[string]cluster.ServerHandlerFunc{"first": first, "last": last}})
				client = newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 4, Propagate: []string{"tenant"}})
				for _, notify := range []bool{false, true} {
					var opts []cluster.EnvelopeOption
					for k, v := range sent {
						opts = append(opts, cluster.WithHeader(k, v))
					}
					for range 2 { // of the second call the key is awake
						if _, err := client.Kind("first").Key("a").Request(t.Context(), relay{notify}, opts...); err != nil {
							t.Fatal(err)
						}
						if got := <-seen; !maps.Equal(got, want) {
							t.Errorf("notify %v: the next handler has %v, want %v", notify, got, want)
						}
					}
					if way == "typed" || way == "wrapped" {
						continue // its relay is a request
					}
					if err := client.Kind("first").Key("a").Notify(t.Context(), relay{notify}, opts...); err != nil {
						t.Fatal(err)
					}
					if got := <-seen; !maps.Equal(got, want) {
						t.Errorf("notify %v, from a notification: the next handler has %v, want %v", notify, got, want)
					}
				}
			})
		}
	}
}

// TestHooksHandOnNothing: an activation runs on the message that has caused it, but it
// is not that message's work.
func TestHooksHandOnNothing(t *testing.T) {
	var client *cluster.Client
	seen := make(chan map[string]string, 2)
	last := func(_ context.Context, env cluster.Envelope) ([]byte, error) { seen <- env.Headers; return nil, nil }
	ask := func(ctx context.Context) error { return errOf(client.Kind("last").Key("z").Request(ctx, touch{})) }
	typed := actor.Define("hooked", func(string) *hooked { return &hooked{} },
		actor.OnRequest(func(*hooked, *actor.Context, touch) (int, error) { return 1, nil }),
		actor.OnActivate(func(_ *hooked, c *actor.Context) error { return ask(c) }),
	)
	proto := func(string) (actor.Actor, error) {
		return actorFunc(func(ctx pactor.Context) {
			switch ctx.Message().(type) {
			case *pactor.Started:
				if err := ask(actor.ContextOf(ctx)); err != nil {
					t.Error(err)
				}
			case *actor.Message:
				ctx.Respond(1)
			}
		}), nil
	}
	tr := cluster.CreateInMemoryTransport(t)
	startNode(t, cluster.NodeOptions{Transport: tr, NumShards: 4, Shards: []uint32{0, 1, 2, 3}, Kinds: map[string]cluster.ServerHandlerFunc{
		"typed": cluster.NewActorHandler(typed.New), "proto": cluster.NewActorHandler(proto), "last": last,
	}})
	client = newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 4})
	for _, kind := range []string{"typed", "proto"} {
		if _, err := client.Kind(kind).Key("a").Request(t.Context(), touch{}, cluster.WithHeader("traceparent", "p")); err != nil {
			t.Fatal(err)
		}
		if got := <-seen; len(got) != 0 {
			t.Errorf("%s: a hook has handed on %v", kind, got)
		}
	}
}

// TestCallsKeepTheirOwnHeaders: a call that sets a trace itself is of that trace, and
// what does not fit stays behind.
func TestCallsKeepTheirOwnHeaders(t *testing.T) {
	many := map[string]string{}
	for i := range bounds.MaxHeaders - 1 {
		many[fmt.Sprint("h", i)] = ""
	}
	large := map[string]string{"h": strings.Repeat("v", bounds.MaxHeaderBytes-20)}
	parent := map[string]string{"traceparent": "p", "tracestate": "s", "baggage": "b"}
	with := func(m map[string]string, name, value string) map[string]string {
		c := maps.Clone(m)
		c[name] = value
		return c
	}
	for name, c := range map[string]struct{ own, want map[string]string }{
		"none":    {nil, parent},
		"parent":  {map[string]string{"traceparent": "mine"}, map[string]string{"traceparent": "mine", "baggage": "b"}},
		"baggage": {map[string]string{"baggage": "", "x": "y"}, map[string]string{"traceparent": "p", "tracestate": "s", "baggage": "", "x": "y"}},
		"many":    {many, with(many, "traceparent", "p")},
		"large":   {large, with(large, "traceparent", "p")},
	} {
		t.Run(name, func(t *testing.T) {
			var client *cluster.Client
			seen := make(chan map[string]string, 1)
			lent := maps.Clone(c.own)
			client = serve(t, func(ctx context.Context, env cluster.Envelope) ([]byte, error) {
				if env.Type == "last" {
					seen <- env.Headers
					return nil, nil
				}
				return client.RequestKey(ctx, "z", "last", nil, func(e *cluster.Envelope) { e.Headers = lent })
			})
			if _, err := client.RequestKey(t.Context(), "a", "first", nil, func(e *cluster.Envelope) { e.Headers = parent }); err != nil {
				t.Fatal(err)
			}
			if got := <-seen; !maps.Equal(got, c.want) {
				t.Errorf("the next handler has %.200v, want %.200v", got, c.want)
			}
			if !maps.Equal(lent, c.own) {
				t.Errorf("the option's map has changed: %.200v", lent)
			}
		})
	}
	for _, bad := range []string{"", "X-Clstr-Key"} {
		_, err := cluster.NewClient(cluster.ClientOptions{Transport: cluster.CreateInMemoryTransport(t), NumShards: 1, Propagate: []string{"ok", bad}})
		wantError(t, err, cluster.ErrBadOption, cluster.NotSent)
		if err != nil && !strings.Contains(err.Error(), fmt.Sprintf("Propagate[1] is %q", bad)) {
			t.Errorf("the error does not name it: %v", err)
		}
	}
}

// bothTransports make a transport, by name.
func bothTransports(t *testing.T) map[string]func(*testing.T) cluster.Transport {
	server := testkit.StartNATSServer(t, nil)
	return map[string]func(*testing.T) cluster.Transport{
		"memory": cluster.CreateInMemoryTransport,
		"NATS": func(t *testing.T) cluster.Transport {
			tr, err := natstransport.Open(t.Context(), natstransport.Options{URL: server.URL(), Log: quiet})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = tr.Close() })
			return tr
		},
	}
}
