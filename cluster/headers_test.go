package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/cluster"
)

// header is the name of a header; headerOf answers with its value.
type header string

func headerOf(_ context.Context, env cluster.Envelope) ([]byte, error) {
	v, ok := env.GetHeader(strings.Trim(string(env.Data), `"`))
	if !ok {
		return nil, fmt.Errorf("no header %q", env.Data)
	}
	return []byte(v), nil
}

func TestCallsByKeyCarryTheKey(t *testing.T) {
	got := make(chan string, 1)
	client := serve(t, func(ctx context.Context, env cluster.Envelope) ([]byte, error) {
		v, err := headerOf(ctx, env)
		got <- string(v)
		return v, err
	})
	ctx := t.Context()
	if _, err := client.RequestKey(ctx, "user-1", "Get", []byte("x-clstr-key")); err != nil {
		t.Fatal(err)
	}
	if key := <-got; key != "user-1" {
		t.Errorf("RequestKey carried %q", key)
	}
	if err := client.NotifyKey(ctx, "user-2", "Touch", []byte("x-clstr-key")); err != nil {
		t.Fatal(err)
	}
	if key := <-got; key != "user-2" {
		t.Errorf("NotifyKey carried %q", key)
	}
	_, err := client.RequestShard(ctx, 1, "Get", []byte("x-clstr-key"))
	if <-got; cluster.OutcomeOf(err) != cluster.RanAndFailed {
		t.Errorf("RequestShard carried a key: %v", err)
	}
}

func TestOptionsApplyFromTheWideToTheNarrow(t *testing.T) {
	with := cluster.WithHeader
	client := serve(t, headerOf, func(_ *cluster.NodeOptions, c *cluster.ClientOptions) {
		c.EnvelopeOptions = []cluster.EnvelopeOption{with("a", "client"), with("b", "client"), with("c", "client")}
	})
	scoped := client.Key("k", with("b", "scoped"), with("c", "scoped"))
	call := with("c", "call")
	ctx := t.Context()
	for name, want := range map[string]string{"a": "client", "b": "scoped", "c": "call"} {
		got, err := scoped.Request(ctx, header(name), call)
		if err != nil || string(got) != want {
			t.Errorf("header %s: got %q, %v, want %s", name, got, err, want)
		}
	}
	for name, send := range map[string]func() ([]byte, error){
		"RequestKey":   func() ([]byte, error) { return client.RequestKey(ctx, "k", "Get", []byte("a")) },
		"RequestShard": func() ([]byte, error) { return client.RequestShard(ctx, 1, "Get", []byte("a")) },
	} {
		if got, err := send(); err != nil || string(got) != "client" {
			t.Errorf("%s: got %q, %v, want the client's header", name, got, err)
		}
	}
}

// TestNotificationsCarryOptionsToo covers the calls that return nothing.
func TestNotificationsCarryOptionsToo(t *testing.T) {
	got := make(chan string, 1)
	client := serve(t, func(_ context.Context, env cluster.Envelope) ([]byte, error) {
		v, _ := env.GetHeader("trace")
		got <- v
		return nil, nil
	}, func(_ *cluster.NodeOptions, c *cluster.ClientOptions) {
		c.EnvelopeOptions = []cluster.EnvelopeOption{cluster.WithHeader("trace", "t1")}
	})
	ctx := t.Context()
	for name, send := range map[string]func() error{
		"NotifyKey":   func() error { return client.NotifyKey(ctx, "k", "Touch", nil) },
		"NotifyShard": func() error { return client.NotifyShard(ctx, 2, "Touch", nil) },
		"Notify":      func() error { return client.Key("k").Notify(ctx, touch{}) },
		"without ack": func() error { return client.Key("k").Notify(ctx, touch{}, cluster.WithoutAck()) },
	} {
		if err := send(); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if v := <-got; v != "t1" {
			t.Errorf("%s carried %q", name, v)
		}
	}
}

func TestReservedHeadersAreRefused(t *testing.T) {
	tr := &fakeTransport{reply: func(context.Context, int, cluster.Envelope) ([]byte, error) { return nil, nil }}
	ctx := t.Context()
	for _, name := range []string{"x-clstr-key", "X-Clstr-Key", "x-CLSTR-anything", "X-CLSTR-"} {
		bad := cluster.WithHeader(name, "v")
		plain := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 4})
		always := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 4, EnvelopeOptions: []cluster.EnvelopeOption{bad}})
		for level, send := range map[string]func() error{
			"client, RequestKey": func() error { _, err := always.RequestKey(ctx, "k", "Get", nil); return err },
			"client, Notify":     func() error { return always.Key("k").Notify(ctx, touch{}) },
			"scoped":             func() error { _, err := plain.Key("k", bad).Request(ctx, touch{}); return err },
			"scoped to a shard":  func() error { _, err := plain.Shard(1, bad).Request(ctx, touch{}); return err },
			"call, RequestKey":   func() error { _, err := plain.RequestKey(ctx, "k", "Get", nil, bad); return err },
			"call, RequestShard": func() error { _, err := plain.RequestShard(ctx, 1, "Get", nil, bad); return err },
			"call, NotifyKey":    func() error { return plain.NotifyKey(ctx, "k", "Get", nil, bad) },
			"call, NotifyShard":  func() error { return plain.NotifyShard(ctx, 1, "Get", nil, bad) },
		} {
			if err := send(); !errors.Is(err, cluster.ErrReservedHeader) || cluster.OutcomeOf(err) != cluster.NotSent {
				t.Errorf("%s, %s: got %v, want ErrReservedHeader, not sent", name, level, err)
			}
		}
	}
	if n := tr.tries(); n != 0 {
		t.Errorf("%d envelopes were sent", n)
	}
}

// TestOptionsCannotRedirect keeps an option, which is any func, from sending a
// message to another key than the shard was chosen for.
func TestOptionsCannotRedirect(t *testing.T) {
	tr := &fakeTransport{reply: func(context.Context, int, cluster.Envelope) ([]byte, error) { return nil, nil }}
	client := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 4, Seed: "s"})
	_, err := client.RequestKey(t.Context(), "k", "Get", []byte("data"), func(e *cluster.Envelope) {
		*e = cluster.Envelope{Shard: 99, Key: "other", Kind: "other", Type: "Other", Data: []byte("other"), ReplyTo: "r", Delivery: 9, Layout: 1, NumShards: 1}
	})
	if err != nil {
		t.Fatal(err)
	}
	e := tr.sent[0]
	if e.Key != "k" || uint32(e.Shard) != cluster.ShardFromString("k", 4, "s") || e.Type != "Get" || string(e.Data) != "data" ||
		e.Kind != "" || e.ReplyTo != "" || e.Delivery != 0 || e.NumShards != 4 || e.Layout <= 1 {
		t.Errorf("sent %+v", e)
	}
}

func TestTTLIsCarriedAndBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // a busy machine would let the time end before the handler begins
		release := make(chan struct{})
		client := serve(t, func(ctx context.Context, env cluster.Envelope) ([]byte, error) {
			if env.TTLMs != 20 || env.TTL() <= 0 && !env.Expired() {
				t.Errorf("TTL of %d ms, %v left", env.TTLMs, env.TTL())
			}
			select {
			case <-ctx.Done():
			case <-release:
			}
			return nil, nil
		})
		_, err := client.RequestKey(t.Context(), "k", "Get", nil, cluster.WithTTL(20*time.Millisecond))
		wantError(t, err, cluster.ErrEnvelopeExpired, cluster.MaybeRan)
		close(release)

		_, err = client.RequestKey(t.Context(), "k", "Get", nil, cluster.WithTTL(-time.Second))
		wantError(t, err, cluster.ErrBadEnvelope, cluster.NotSent)
	})
}

// TestScopedClientIsShared is for the race detector, and for what a caller's
// options do to another's.
func TestScopedClientIsShared(t *testing.T) {
	client := serve(t, headerOf, func(_ *cluster.NodeOptions, c *cluster.ClientOptions) {
		c.EnvelopeOptions = append(make([]cluster.EnvelopeOption, 0, 8), cluster.WithHeader("a", "client"))
	})
	scoped := client.Key("k", append(make([]cluster.EnvelopeOption, 0, 8), cluster.WithHeader("b", "scoped"))...)
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			mine := fmt.Sprint("caller ", i)
			for range 20 {
				got, err := scoped.Request(t.Context(), header("c"), cluster.WithHeader("c", mine))
				if err != nil || string(got) != mine {
					t.Errorf("%s got %q, %v", mine, got, err)
					return
				}
			}
		})
	}
	wg.Wait()
}
