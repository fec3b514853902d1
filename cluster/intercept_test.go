package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/internal/bounds"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/testkit"
)

// TestIntercept is around a call, of whatever kind, once: not around each try.
func TestIntercept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []string
		tr := &fakeTransport{reply: func(_ context.Context, try int, env cluster.Envelope) ([]byte, error) {
			if try%2 == 1 {
				return nil, outcome.Errorf(cluster.ErrDraining, "at first")
			}
			return []byte(`{"By":"` + env.Headers["by"] + env.Headers["own"] + `"}`), nil
		}}
		own := map[string]string{"own": "option"}
		c := newClient(t, cluster.ClientOptions{
			Transport: tr, NumShards: 4,
			EnvelopeOptions: []cluster.EnvelopeOption{func(e *cluster.Envelope) { e.Headers = own }},
			Intercept: func(ctx context.Context, out *cluster.Outgoing, next func(context.Context) error) error {
				before, _ := out.Header("own")
				out.SetHeader("by", "intercept ")
				err := next(ctx)
				reply, ok := out.Reply()
				seen = append(seen, fmt.Sprintf("%s %s %q %s %s %v: %s %v %v", out.Type(), out.Kind(), out.Key(), before, out.Data(), out.AwaitsReply(), reply, ok, err))
				return err
			},
		})
		key := c.Kind("crew").Key("k")
		out, err := cluster.NewRequest[chore, choreOut](key).Request(t.Context(), chore{"x"})
		if err != nil || out.By != "intercept option" {
			t.Errorf("got %v, %v", out, err)
		}
		if err := key.Notify(t.Context(), chore{"y"}); err != nil {
			t.Error(err)
		}
		if _, err := c.RequestShard(t.Context(), 2, "raw", []byte("z")); err != nil {
			t.Error(err)
		}
		reply := `{"By":"intercept option"} true <nil>`
		if want := []string{
			`chore crew "k" option {"Do":"x"} true: ` + reply, `chore crew "k" option {"Do":"y"} false: ` + reply, `raw  "" option z true: ` + reply,
		}; !slices.Equal(seen, want) {
			t.Errorf("seen %q", seen)
		}
		if tr.tries() != 6 || len(own) != 1 {
			t.Errorf("%d tries, and the option's own map is %v", tr.tries(), own)
		}
	})
}

// TestErrorsOfAnIntercept pass, with what is known of the call.
func TestErrorsOfAnIntercept(t *testing.T) {
	errOwn := errors.New("the intercept's")
	tr := &fakeTransport{reply: func(ctx context.Context, _ int, env cluster.Envelope) ([]byte, error) {
		if err := ctx.Err(); err != nil {
			return nil, outcome.ContextError(err, cluster.NotSent)
		}
		if env.Headers["again"] != "" {
			return nil, outcome.Errorf(cluster.ErrOverloaded, "there")
		}
		if env.Type == "fail" {
			return nil, outcome.Errorf(cluster.ErrPanicked, "there")
		}
		return []byte("reply"), nil
	}}
	pass := func(ctx context.Context, _ *cluster.Outgoing, next func(context.Context) error) error {
		return next(ctx)
	}
	for _, m := range []struct {
		name, msgType string
		intercept     cluster.Intercept
		want          []error
		outcome       cluster.Outcome
		tries         int
	}{
		{"passes", "ok", pass, nil, cluster.Succeeded, 1},
		{"passes a failure", "fail", pass, []error{cluster.ErrPanicked}, cluster.MaybeRan, 1},
		{"refuses", "ok", func(context.Context, *cluster.Outgoing, func(context.Context) error) error { return errOwn },
			[]error{errOwn}, cluster.NotSent, 0},
		{"refuses with the library's", "ok", func(context.Context, *cluster.Outgoing, func(context.Context) error) error {
			return outcome.Errorf(cluster.ErrPanicked, "another call's")
		}, []error{cluster.ErrPanicked}, cluster.NotSent, 0},
		{"answers", "ok", func(_ context.Context, out *cluster.Outgoing, _ func(context.Context) error) error {
			out.SetReply([]byte("cached"))
			return nil
		}, nil, cluster.Succeeded, 0},
		{"answers nothing", "ok", func(context.Context, *cluster.Outgoing, func(context.Context) error) error { return nil },
			[]error{cluster.ErrReply}, cluster.NotSent, 0},
		{"answers with a nil error of the library's", "ok", func(ctx context.Context, _ *cluster.Outgoing, next func(context.Context) error) error {
			_ = next(ctx)
			return (*cluster.Error)(nil)
		}, nil, cluster.Succeeded, 1},
		{"fails afterwards", "ok", func(ctx context.Context, _ *cluster.Outgoing, next func(context.Context) error) error {
			_ = next(ctx)
			return errOwn
		}, []error{errOwn}, cluster.RanAndFailed, 1},
		{"wraps", "fail", func(ctx context.Context, _ *cluster.Outgoing, next func(context.Context) error) error {
			return fmt.Errorf("%w: %w", errOwn, next(ctx))
		}, []error{errOwn, cluster.ErrPanicked}, cluster.MaybeRan, 1},
		{"calls again", "fail", func(ctx context.Context, out *cluster.Outgoing, next func(context.Context) error) error {
			return errors.Join(next(ctx), next(ctx))
		}, []error{cluster.ErrPanicked}, cluster.MaybeRan, 2},
		{"calls again, which is refused", "fail", func(ctx context.Context, out *cluster.Outgoing, next func(context.Context) error) error {
			_ = next(ctx)
			out.SetHeader("again", "yes")
			return next(ctx)
		}, []error{cluster.ErrOverloaded}, cluster.MaybeRan, 2},
		{"fails afterwards with the library's", "ok", func(ctx context.Context, _ *cluster.Outgoing, next func(context.Context) error) error {
			_ = next(ctx)
			return outcome.Errorf(cluster.ErrOverloaded, "another call's")
		}, []error{cluster.ErrOverloaded}, cluster.RanAndFailed, 1},
		{"with another context", "ok", func(ctx context.Context, out *cluster.Outgoing, next func(context.Context) error) error {
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			return next(ctx)
		}, []error{context.Canceled}, cluster.NotSent, 1},
		{"a reserved header", "ok", func(ctx context.Context, out *cluster.Outgoing, next func(context.Context) error) error {
			out.SetHeader("x-clstr-key", "k")
			return next(ctx)
		}, []error{cluster.ErrReservedHeader}, cluster.NotSent, 0},
	} {
		before := tr.tries()
		c := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 4, Intercept: m.intercept})
		for _, notify := range []bool{false, true} {
			var err error
			if notify && m.name == "answers nothing" {
				continue // a notification has no reply to miss
			}
			if notify {
				err = c.NotifyKey(t.Context(), "k", m.msgType, nil)
			} else {
				_, err = c.RequestKey(t.Context(), "k", m.msgType, nil)
			}
			if err != nil && !strings.Contains(err.Error(), m.msgType+` to key "k"`) {
				t.Errorf("%s: %v does not say what was called", m.name, err)
			}
			for _, want := range m.want {
				if !errors.Is(err, want) {
					t.Errorf("%s: got %v, want %v", m.name, err, want)
				}
			}
			if want := m.outcome; cluster.OutcomeOf(err) != want && !(notify && want == cluster.RanAndFailed && cluster.OutcomeOf(err) == cluster.MaybeRan) {
				t.Errorf("%s: got %v (%v)", m.name, err, cluster.OutcomeOf(err))
			}
		}
		if n := tr.tries() - before; n != 2*m.tries {
			t.Errorf("%s: %d tries of two calls", m.name, n)
		}
	}
}

// TestInterceptSeesWhatIsHandedOn from the call whose handler sends.
func TestInterceptSeesWhatIsHandedOn(t *testing.T) {
	var client *cluster.Client
	client = serve(t, func(ctx context.Context, env cluster.Envelope) ([]byte, error) {
		if env.Type == "first" {
			return client.RequestKey(ctx, "k", "second", nil)
		}
		return []byte(env.Headers["traceparent"]), nil
	}, func(_ *cluster.NodeOptions, c *cluster.ClientOptions) {
		c.Intercept = func(ctx context.Context, out *cluster.Outgoing, next func(context.Context) error) error {
			if trace, ok := out.Header("traceparent"); !ok || trace != "from the caller" {
				t.Errorf("%s has %q, %v", out.Type(), trace, ok)
			}
			if out.Type() == "second" {
				out.SetHeader("traceparent", "from the intercept")
			}
			return next(ctx)
		}
	})
	reply, err := client.RequestKey(t.Context(), "k", "first", nil, cluster.WithHeader("traceparent", "from the caller"))
	if err != nil || string(reply) != "from the intercept" {
		t.Errorf("got %q, %v", reply, err)
	}
}

// TestWhatIsHandedOnGivesWay to what an Intercept adds, as it does to options.
func TestWhatIsHandedOnGivesWay(t *testing.T) {
	var client *cluster.Client
	client = serve(t, func(ctx context.Context, env cluster.Envelope) ([]byte, error) {
		if env.Type == "first" {
			return client.RequestKey(ctx, "k", "second", nil)
		}
		return []byte(env.Headers["mine"]), nil
	}, func(_ *cluster.NodeOptions, c *cluster.ClientOptions) {
		c.Intercept = func(ctx context.Context, out *cluster.Outgoing, next func(context.Context) error) error {
			if out.Type() == "second" {
				if _, ok := out.Header("baggage"); !ok {
					t.Error("what is handed on is not seen")
				}
				out.SetHeader("mine", "from the intercept")
			}
			return next(ctx)
		}
	})
	baggage := strings.Repeat("b", bounds.MaxHeaderBytes-len("baggage"))
	reply, err := client.RequestKey(t.Context(), "k", "first", nil, cluster.WithHeader("baggage", baggage))
	if err != nil || string(reply) != "from the intercept" {
		t.Errorf("got %q, %.300v", reply, err)
	}
}

// TestChainIntercept: the first is the outermost, and the context that each passes on is
// the call's; over both transports.
func TestChainIntercept(t *testing.T) {
	testkit.EachTransport(t, func(t *testing.T, kind testkit.TransportKind) {
		var order []string
		named := func(name string) cluster.Intercept {
			return func(ctx context.Context, out *cluster.Outgoing, next func(context.Context) error) error {
				order = append(order, name)
				value, _ := out.Header("names")
				out.SetHeader("names", value+name)
				return next(ctx)
			}
		}
		def := actor.Define("chores", func(string) *struct{} { return new(struct{}) },
			actor.OnRequest(func(_ *struct{}, c *actor.Context, _ chore) (choreOut, error) {
				names, _ := c.Header("names")
				return choreOut{names}, nil
			}))
		c := testkit.NewCluster(t, testkit.ClusterOptions{Nodes: 2, Transport: kind, Handler: cluster.NewActorHandler(def.New)})
		client := c.NewClient(cluster.ClientOptions{Intercept: cluster.ChainIntercept(nil, named("a"), named("b"), nil, named("c"))})
		out, err := cluster.NewRequest[chore, choreOut](client.Key("k")).Request(t.Context(), chore{})
		if err != nil || out.By != "abc" || !slices.Equal(order, []string{"a", "b", "c"}) {
			t.Errorf("got %v, %v, in the order %v", out, err, order)
		}
	})
	if cluster.ChainIntercept() != nil || cluster.ChainIntercept(nil) != nil {
		t.Error("a chain of none is one")
	}
}
