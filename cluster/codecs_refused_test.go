package cluster_test

import (
	"context"
	"strings"
	"testing"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/cluster/cborcodec"
	"github.com/clstr-go/clstr/handlers"
)

// TestUnknownCodec: a node refuses a codec that its program does not link, before anything runs.
func TestUnknownCodec(t *testing.T) {
	for name, connect := range bothTransports(t) {
		t.Run(name, func(t *testing.T) {
			tr := connect(t)
			codecNodes(t, tr, func(string, string) { t.Error("a notification was handled") }, func(ctx context.Context, in *cluster.Incoming, _ func(context.Context) error) error {
				t.Errorf("a %s was handled", in.Type())
				return nil
			})
			callers := elsewhere(t, tr, name, connect)
			for kind := range readers(nil) {
				for _, delivery := range []cluster.Envelope{{Type: "leaflet"}, {Type: "leafletNote", Delivery: 1}} {
					env := delivery
					env.Kind, env.Key, env.Codec, env.Data = kind, "k", "msgpack", []byte("{}")
					_, err := callers.Request(t.Context(), env)
					wantError(t, err, cluster.ErrUnknownCodec, cluster.NotStarted)
					for _, word := range []string{`"msgpack"`, "JSON", `"cbor"`, "node-1"} {
						if err != nil && !strings.Contains(err.Error(), word) {
							t.Errorf("%v does not name %s", err, word)
						}
					}
				}
			}
		})
	}
}

// TestCodecsThatAreRefused: the client says so before anything is sent.
func TestCodecsThatAreRefused(t *testing.T) {
	for _, codec := range []string{"msgpack", "CBOR", "json", strings.Repeat("x", 500)} {
		_, err := cluster.NewClient(cluster.ClientOptions{Transport: cluster.CreateInMemoryTransport(t), NumShards: 4, Codec: codec})
		wantError(t, err, cluster.ErrBadOption, cluster.NotSent)
		if err != nil && (!strings.Contains(err.Error(), `"cbor"`) || len(err.Error()) > 300) {
			t.Errorf("codec %.20q: %v", codec, err)
		}
	}
	fake := &fakeTransport{reply: func(context.Context, int, cluster.Envelope) ([]byte, error) { return nil, nil }}
	to := newClient(t, cluster.ClientOptions{Transport: fake, NumShards: 4, Codec: cborcodec.Name}).Key("k")
	self := map[string]any{}
	self["self"] = self
	for _, c := range []struct {
		message any
		want    string
	}{
		{unlinked{1}, `codec "msgpack"`}, {awkward{}, "MessageCodec"}, {onlyJSON{1, 2}, "MarshalCBOR"}, {leaflet{Text: "\xff"}, `field "Text" holds text`},
		{loopOf{self}, "holds itself"},
	} {
		_, err := to.Request(t.Context(), c.message)
		wantError(t, err, cluster.ErrInvalidMessage, cluster.NotSent)
		wantError(t, to.Notify(t.Context(), c.message), cluster.ErrInvalidMessage, cluster.NotSent)
		wantError(t, to.NotifyAsync(t.Context(), c.message).Wait(t.Context()), cluster.ErrInvalidMessage, cluster.NotSent)
		if err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("a %T: %v, want %q", c.message, err, c.want)
		}
	}
	_, err := cluster.NewRequest[leaflet, onlyJSON](to).Request(t.Context(), leaflet{})
	wantError(t, err, cluster.ErrInvalidMessage, cluster.NotSent)
	if n := fake.tries(); n != 0 {
		t.Errorf("%d messages were sent", n)
	}
}

// TestReplyThatCBORWouldLose: the method does not run, because its caller could not be answered.
func TestReplyThatCBORWouldLose(t *testing.T) {
	type desk struct{ N int }
	def := actor.Define("desk", func(string) *desk { return &desk{} },
		actor.OnRequest(func(_ *desk, c *actor.Context, in leaflet) (onlyJSON, error) {
			if c.Message().Codec != "" {
				t.Error("the method has run")
			}
			return onlyJSON{1, 2}, nil
		}),
		actor.OnRequest(func(_ *desk, _ *actor.Context, in onlyJSON) (int, error) { return in.hidden, nil }))
	client := serve(t, handlers.NewActorHandler(def.New), func(_ *cluster.NodeOptions, c *cluster.ClientOptions) { c.Codec = cborcodec.Name })
	for _, msgType := range []string{"leaflet", "onlyJSON"} {
		_, err := client.Key("k").RequestRaw(t.Context(), msgType, []byte{0xa0})
		wantError(t, err, cluster.ErrDecode, cluster.NotStarted)
	}
	json := serve(t, handlers.NewActorHandler(def.New))
	if got, err := cluster.NewRequest[onlyJSON, int](json.Key("k")).Request(t.Context(), onlyJSON{1, 2}); err != nil || *got != 2 {
		t.Errorf("as JSON: %v, %v", got, err)
	}
	if got, err := cluster.NewRequest[leaflet, onlyJSON](json.Key("k")).Request(t.Context(), leaflet{}); err != nil || *got != (onlyJSON{1, 2}) {
		t.Errorf("as JSON: %v, %v", got, err)
	}
}
