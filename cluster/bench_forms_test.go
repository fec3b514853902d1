package cluster_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/cluster/cborcodec"
	"github.com/clstr-go/clstr/internal/hosting"
)

// form is a way to write messages: bytes, JSON, which the README shows, or protobuf.
type form struct {
	name   string
	handle func(does) cluster.ServerHandlerFunc
	ask    func(ctx context.Context, to *cluster.ScopedClient) error
	tell   func(ctx context.Context, to *cluster.ScopedClient, opts ...cluster.EnvelopeOption) error
}

// does is what keys do beside echoing requests. The zero value is nothing.
type does struct {
	note  func()                                       // called at each notification
	first func(key string) func(context.Context) error // what a key does before it answers; nil for nothing
}

func (d does) of(key string) func(context.Context) error {
	if d.first != nil {
		if f := d.first(key); f != nil {
			return f
		}
	}
	return func(context.Context) error { return nil }
}

// sizes are of payloads: a slice of bytes, or the only field of a message, a string.
var sizes = []int{64, 1024}

func sized(size int) string { return fmt.Sprintf("%dB", size) }

// text is a JSON message, and textNote one to tell.
type (
	text     struct{ Text string }
	textNote struct{ Text string }
)

// cborText is the same in CBOR.
type cborText text

func (cborText) MessageCodec() string { return cborcodec.Name }

// inCBOR is the form that is encoded in one process too. It asks, and tells nothing.
func inCBOR(size int) form {
	s := strings.Repeat("a", size)
	return form{name: "clstr-cbor", handle: typedKeys, ask: func(ctx context.Context, to *cluster.ScopedClient) error {
		_, err := cluster.NewRequest[cborText, cborText](to).Request(ctx, cborText{s})
		return err
	}}
}

func forms(size int) []form {
	data, s := make([]byte, size), strings.Repeat("a", size)
	return []form{
		{"clstr", rawKeys,
			func(ctx context.Context, to *cluster.ScopedClient) error {
				_, err := to.RequestRaw(ctx, "Echo", data)
				return err
			},
			func(ctx context.Context, to *cluster.ScopedClient, opts ...cluster.EnvelopeOption) error {
				return to.NotifyRaw(ctx, "Note", data, opts...)
			}},
		{"clstr-json", typedKeys,
			func(ctx context.Context, to *cluster.ScopedClient) error {
				_, err := cluster.NewRequest[text, text](to).Request(ctx, text{s})
				return err
			},
			func(ctx context.Context, to *cluster.ScopedClient, opts ...cluster.EnvelopeOption) error {
				return to.Notify(ctx, textNote{s}, opts...)
			}},
		{"clstr-proto", typedKeys,
			func(ctx context.Context, to *cluster.ScopedClient) error {
				m := &wrapperspb.StringValue{Value: s}
				_, err := cluster.NewRequest[*wrapperspb.StringValue, wrapperspb.StringValue](to).Request(ctx, m)
				return err
			},
			func(ctx context.Context, to *cluster.ScopedClient, opts ...cluster.EnvelopeOption) error {
				return to.Notify(ctx, &wrapperspb.BytesValue{Value: data}, opts...)
			}},
	}
}

func rawKeys(d does) cluster.ServerHandlerFunc {
	return cluster.NewActorHandlerWithOpts(hosting.Funcs(func(key string) (cluster.ServerHandlerFunc, error) {
		first := d.of(key)
		return func(ctx context.Context, env cluster.Envelope) ([]byte, error) {
			if env.Type == "Note" {
				d.note()
				return nil, nil
			}
			return env.Data, first(ctx)
		}, nil
	}), unbounded)
}

// unbounded lets a window of notifications wait for one key.
var unbounded = cluster.HandlerOptions{CacheSize: -1, MailboxSize: -1}

type typedKey struct{ first func(context.Context) error }

func typedKeys(d does) cluster.ServerHandlerFunc {
	def := actor.Define("typed", func(key string) *typedKey { return &typedKey{d.of(key)} },
		actor.OnRequest(func(k *typedKey, c *actor.Context, m text) (text, error) { return m, k.first(c) }),
		actor.OnRequest(func(k *typedKey, c *actor.Context, m cborText) (cborText, error) { return m, k.first(c) }),
		actor.OnRequest(func(k *typedKey, c *actor.Context, m *wrapperspb.StringValue) (*wrapperspb.StringValue, error) {
			return m, k.first(c)
		}),
		actor.OnNotify(func(*typedKey, *actor.Context, textNote) error { d.note(); return nil }),
		actor.OnNotify(func(*typedKey, *actor.Context, *wrapperspb.BytesValue) error { d.note(); return nil }))
	return cluster.NewActorHandlerWithOpts(def.New, unbounded)
}

// activate makes the keys' actors and returns clients of them.
func (f form) activate(b *testing.B, client *cluster.Client, keys []string) []*cluster.ScopedClient {
	b.Helper()
	users := make([]*cluster.ScopedClient, len(keys))
	for i, k := range keys {
		users[i] = client.Key(k)
		if err := f.ask(context.Background(), users[i]); err != nil {
			b.Fatal(err)
		}
	}
	return users
}
