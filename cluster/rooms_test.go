package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
)

// The memory that a message is encoded into is used again for another message. Each of these messages repeats one
// character, so that any mixture of two shows.

type (
	uniform     struct{ Text string }
	uniformTold struct{ Text string }
)

// isUniform reports whether a text repeats one character.
func isUniform(text string) bool { return text != "" && strings.Trim(text, text[:1]) == "" }

// TestRoomsAreNotShared: messages and replies arrive as they were sent while many others are sent, and while callers leave.
func TestRoomsAreNotShared(t *testing.T) {
	onBoth(t, func(t *testing.T, over testkit.TransportKind) {
		var mixed atomic.Value
		look := func(text string) {
			if !isUniform(text) {
				mixed.Store(text)
			}
		}
		kind := actor.Define("uniform", func(string) *struct{} { return &struct{}{} },
			actor.OnRequest(func(_ *struct{}, _ *actor.Context, m uniform) (uniform, error) { look(m.Text); return m, nil }),
			actor.OnRequest(func(_ *struct{}, _ *actor.Context, m *wrapperspb.StringValue) (*wrapperspb.StringValue, error) {
				look(m.Value)
				return m, nil
			}),
			actor.OnNotify(func(_ *struct{}, _ *actor.Context, m uniformTold) error { look(m.Text); return nil }))
		open := openers(t, over)
		startNode(t, cluster.NodeOptions{NodeID: "n", Transport: open(), NumShards: 4, Shards: []uint32{0, 1, 2, 3}, Handler: cluster.NewActorHandler(kind.New)})
		client := newClient(t, cluster.ClientOptions{Transport: open(), NumShards: 4})
		var senders sync.WaitGroup
		for s := range 8 {
			senders.Go(func() {
				key := client.Key(fmt.Sprint("key-", s%4))
				for i := range 60 {
					text := strings.Repeat(string(rune('a'+s)), 1+(i*97+s*13)%700)
					ctx, cancel := context.WithCancel(t.Context())
					if i%5 == 4 {
						go cancel() // ends at once: the call may be on its way, or not
					}
					j, err := cluster.NewRequest[uniform, uniform](key).Request(ctx, uniform{text})
					p, errP := cluster.NewRequest[*wrapperspb.StringValue, wrapperspb.StringValue](key).Request(ctx, wrapperspb.String(text))
					if err == nil && j.Text != text || errP == nil && p.Value != text {
						t.Errorf("%.20q is answered by %v and %v", text, j, p)
					}
					for _, err := range []error{err, errP, key.Notify(ctx, uniformTold{text}, cluster.WithoutAck()), key.NotifyAsync(ctx, uniformTold{text}).Wait(t.Context())} {
						if err != nil && !errors.Is(err, context.Canceled) {
							t.Error(err)
						}
					}
					cancel()
				}
			})
		}
		senders.Wait()
		if text := mixed.Load(); text != nil {
			t.Errorf("a mixture has arrived: %.200q", text)
		}
	})
}

// TestInterceptKeepsTheMessage: an Intercept may keep the bytes of a message.
func TestInterceptKeepsTheMessage(t *testing.T) {
	var kept [][]byte
	client := serve(t, func(context.Context, cluster.Envelope) ([]byte, error) { return nil, nil }, func(_ *cluster.NodeOptions, c *cluster.ClientOptions) {
		c.Intercept = func(ctx context.Context, out *cluster.Outgoing, next func(context.Context) error) error {
			kept = append(kept, out.Data())
			return next(ctx)
		}
	})
	key := client.Key("k")
	for i := range 50 {
		if err := key.Notify(t.Context(), uniformTold{fmt.Sprint("text ", i)}); err != nil {
			t.Fatal(err)
		}
	}
	for i := 50; i < 100; i++ { // which the client copies, because the caller may use its slice again
		if err := key.NotifyRawAsync(t.Context(), "uniformTold", fmt.Appendf(nil, `{"Text":"text %d"}`, i)).Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for i, data := range kept {
		if want := fmt.Sprintf(`{"Text":"text %d"}`, i); string(data) != want {
			t.Errorf("message %d is %s, want %s", i, data, want)
		}
	}
}
