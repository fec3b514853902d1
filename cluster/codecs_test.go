package cluster_test

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	pactor "github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/cluster/cborcodec"
	"github.com/clstr-go/clstr/handlers"
	"github.com/clstr-go/clstr/state/memstate"
)

// Messages of these tests.
type (
	leaflet struct {
		Text  string    `json:"text"`
		Raw   []byte    `json:"raw,omitempty"`
		At    time.Time `json:"at"`
		Codec string    `json:"codec"` // as the handler has seen it
	}
	leafletNote leaflet
	// compact chooses its codec by itself.
	compact struct{ N int }
	// unlinked chooses a codec that the program does not have.
	unlinked struct{ N int }
	// awkward cannot be asked.
	awkward struct{ name *string }
	// loopOf may hold itself.
	loopOf struct{ In map[string]any }
	// onlyJSON would lose a part of itself as CBOR.
	onlyJSON struct {
		N      int
		hidden int
	}
)

func (compact) MessageCodec() string           { return cborcodec.Name }
func (unlinked) MessageCodec() string          { return "msgpack" }
func (a awkward) MessageCodec() string         { return *a.name }
func (a awkward) MarshalText() ([]byte, error) { return []byte("x"), nil }
func (o onlyJSON) MarshalJSON() ([]byte, error) {
	return json.Marshal([]int{o.N, o.hidden})
}
func (o *onlyJSON) UnmarshalJSON(b []byte) error {
	var both [2]int
	err := json.Unmarshal(b, &both)
	o.N, o.hidden = both[0], both[1]
	return err
}

func init() { actor.RegisterMessage[leaflet](); actor.RegisterMessage[*leafletNote]() }

// readers are handlers of all kinds. They answer with what they have got, and with its codec.
func readers(notes func(codec, text string)) map[string]cluster.ServerHandlerFunc {
	type desk struct{ N int }
	read := func(c *actor.Context, in leaflet) (leaflet, error) {
		in.Codec = c.Message().Codec
		return in, nil
	}
	options := []actor.Option{
		actor.OnRequest(func(_ *desk, c *actor.Context, in leaflet) (leaflet, error) { return read(c, in) }),
		actor.OnNotify(func(_ *desk, c *actor.Context, in leafletNote) error {
			notes(c.Message().Codec, in.Text)
			return nil
		}),
		actor.OnRequestLater(func(_ *desk, c *actor.Context, in compact, a actor.Answer[leaflet]) error {
			go a.Reply(leaflet{Codec: a.Context().Message().Codec, Text: fmt.Sprint(in.N)}) // ends at once
			return nil
		}),
		actor.OnRequest(func(_ *desk, c *actor.Context, in *wrapperspb.StringValue) (*wrapperspb.StringValue, error) {
			return wrapperspb.String(in.Value + " back"), nil
		}),
		actor.OnRequest(func(_ *desk, c *actor.Context, in *wrapperspb.Int64Value) (leaflet, error) {
			return leaflet{Codec: c.Message().Codec, Text: fmt.Sprint(in.Value)}, nil
		}),
	}
	byHand := func(_ context.Context, env cluster.Envelope) ([]byte, error) {
		if env.Type == "leafletNote" {
			notes(env.Codec, string(env.Data))
		}
		return env.Data, nil
	}
	return map[string]cluster.ServerHandlerFunc{
		"typed":   handlers.NewActorHandler(actor.Define("desk", func(string) *desk { return &desk{} }, options...).New),
		"durable": handlers.NewActorHandler(actor.Define("desk", func(string) *desk { return &desk{} }, append(options, actor.Durable(actor.Persistence{}))...).New),
		"protoactor": handlers.NewActorHandler(func(string) (actor.Actor, error) {
			return pactor.ReceiveFunc(func(ctx pactor.Context) {
				switch m := ctx.Message().(type) {
				case leaflet:
					out, _ := read(actor.ContextOf(ctx), m)
					ctx.Respond(out)
				case *leafletNote:
					notes(actor.ContextOf(ctx).Message().Codec, m.Text)
				case *actor.Message: // compact, which is not registered
					if m.Type == "compact" {
						ctx.Respond(leaflet{Codec: m.Codec, Text: fmt.Sprint(len(m.Data))})
					}
				case *wrapperspb.StringValue:
					ctx.Respond(wrapperspb.String(m.Value + " back"))
				case *wrapperspb.Int64Value:
					ctx.Respond(leaflet{Codec: actor.ContextOf(ctx).Message().Codec, Text: fmt.Sprint(m.Value)})
				}
			}), nil
		}),
		"plain": byHand,
		"keyed": handlers.NewKeyHandler(func(string) (cluster.ServerHandlerFunc, error) { return byHand, nil }),
	}
}

// codecNodes starts a node with handlers of all kinds.
func codecNodes(t *testing.T, tr cluster.Transport, notes func(codec, text string), around cluster.Around) {
	startNode(t, cluster.NodeOptions{NodeID: "node-1", Transport: tr, NumShards: 4, Shards: []uint32{0, 1, 2, 3}, State: memstate.New(), Kinds: readers(notes), Around: around})
}

// elsewhere is a transport for callers that reach the nodes on tr over the network, if there is one.
func elsewhere(t *testing.T, tr cluster.Transport, name string, connect func(*testing.T) cluster.Transport) cluster.Transport {
	if name == "memory" {
		return tr
	}
	return connect(t)
}

// TestMixedCodecs: clients with different codecs ask the same keys at the same time, over both transports, and each gets
// its answers in its own codec.
func TestMixedCodecs(t *testing.T) {
	for name, connect := range bothTransports(t) {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			noted, around := map[string]int{}, map[string]int{}
			count := func(in map[string]int, what string) {
				mu.Lock()
				defer mu.Unlock()
				in[what]++
			}
			tr := connect(t)
			callers := elsewhere(t, tr, name, connect)
			codecNodes(t, tr, func(codec, text string) { count(noted, codec) }, func(ctx context.Context, in *cluster.Incoming, next func(context.Context) error) error {
				count(around, in.Codec())
				return next(ctx)
			})
			for kind := range readers(nil) {
				var all sync.WaitGroup
				for _, codec := range []string{"", cborcodec.Name} {
					for _, strict := range []bool{false, true} {
						client := newClient(t, cluster.ClientOptions{Transport: callers, NumShards: 4, Codec: codec, StrictReplies: strict})
						all.Go(func() { talkIn(t, client, kind, codec) }) // ends with its calls
					}
				}
				all.Wait()
			}
			mu.Lock()
			defer mu.Unlock()
			for _, codec := range []string{"", cborcodec.Name} {
				if noted[codec] < 4*4 || around[codec] < 4*4 {
					t.Errorf("codec %q: %v notifications were handled, and Around has seen %v", codec, noted, around)
				}
			}
		})
	}
}

// talkIn sends messages of all forms to a kind, from a client with a codec.
func talkIn(t *testing.T, client *cluster.Client, kind, codec string) {
	ctx, to := t.Context(), client.Kind(kind).Key("k")
	byHand := kind == "plain" || kind == "keyed"
	for i := range 10 {
		m := leaflet{Text: fmt.Sprint("text ", i), Raw: []byte("\xff\x00"), At: time.Date(2026, 11, 29, 17, 0, i, 5, time.UTC)}
		want := m
		if !byHand {
			want.Codec = codec
		}
		if got, err := cluster.NewRequest[leaflet, leaflet](to).Request(ctx, m); err != nil || !reflect.DeepEqual(*got, want) {
			t.Errorf("%s, codec %q: %+v, %v", kind, codec, got, err)
		}
		if got, err := cluster.NewRequest[*wrapperspb.StringValue, wrapperspb.StringValue](to).Request(ctx, wrapperspb.String("x")); err != nil || got.Value != "x back" && !byHand {
			t.Errorf("%s, codec %q: protobuf: %v, %v", kind, codec, got, err)
		}
		if err := to.NotifyAsync(ctx, leafletNote(m)).Wait(ctx); err != nil {
			t.Errorf("%s, codec %q: %v", kind, codec, err)
		}
		if err := to.Notify(ctx, leafletNote(m)); err != nil {
			t.Errorf("%s, codec %q: %v", kind, codec, err)
		}
		if byHand {
			continue
		}
		if got, err := cluster.NewRequest[*wrapperspb.Int64Value, leaflet](to).Request(ctx, wrapperspb.Int64(7)); err != nil || got.Text != "7" || got.Codec != codec {
			t.Errorf("%s, codec %q: the reply to a protobuf message: %+v, %v", kind, codec, got, err)
		}
		// The message's own choice is above the client's.
		if got, err := cluster.NewRequest[compact, leaflet](to).Request(ctx, compact{7}); err != nil || got.Codec != cborcodec.Name {
			t.Errorf("%s, codec %q: a message that chooses CBOR: %+v, %v", kind, codec, got, err)
		}
	}
}

// TestMessagesChangeInCBOR: a type changes between two deploys. New fields are zero, old ones are ignored, and another kind of
// field is refused before the method runs.
func TestMessagesChangeInCBOR(t *testing.T) {
	type desk struct{ N int }
	def := actor.Define("desk", func(string) *desk { return &desk{} }, actor.OnRequest(func(_ *desk, _ *actor.Context, in compact) (compact, error) { return in, nil }))
	for name, connect := range bothTransports(t) {
		t.Run(name, func(t *testing.T) {
			tr := connect(t)
			startNode(t, cluster.NodeOptions{NodeID: "node-1", Transport: tr, NumShards: 4, Shards: []uint32{0, 1, 2, 3}, Handler: handlers.NewActorHandler(def.New)})
			callers := elsewhere(t, tr, name, connect)
			to := newClient(t, cluster.ClientOptions{Transport: callers, NumShards: 4, Codec: cborcodec.Name}).Key("k")
			later, err := cluster.NewRequest[laterCompact, laterCompact](to).Request(t.Context(), laterCompact{N: 5, More: "secret"})
			if err != nil || *later != (laterCompact{N: 5}) {
				t.Errorf("got %+v, %v", later, err)
			}
			_, err = cluster.NewRequest[otherCompact, compact](to).Request(t.Context(), otherCompact{N: "secret"})
			wantError(t, err, cluster.ErrDecode, cluster.NotStarted)
			if err != nil && (strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "N")) {
				t.Error(err)
			}
			_, err = cluster.NewRequest[compact, otherCompact](to).Request(t.Context(), compact{5})
			wantError(t, err, cluster.ErrReply, cluster.RanAndFailed)
			// Bytes of another codec than the message names.
			_, err = newClient(t, cluster.ClientOptions{Transport: callers, NumShards: 4}).Key("k").RequestRaw(t.Context(), "compact", []byte{0xa1, 0x61, 'N', 5})
			wantError(t, err, cluster.ErrDecode, cluster.NotStarted)
			_, err = to.RequestRaw(t.Context(), "compact", []byte(`{"N":5}`))
			wantError(t, err, cluster.ErrDecode, cluster.NotStarted)
			if reply, err := to.RequestRaw(t.Context(), "compact", []byte{0xa1, 0x61, 'N', 5}); err != nil || string(reply) != "\xa1\x61N\x05" {
				t.Errorf("raw: %x, %v", reply, err)
			}
		})
	}
}

type (
	laterCompact struct {
		N    int
		More string
	}
	otherCompact struct{ N string }
)

func (laterCompact) MessageType() string { return "compact" }
func (otherCompact) MessageType() string { return "compact" }

// TestOneCommandInTwoCodecs: the reply to a command is kept in its codec, so the same ID in another codec is another
// command, even if the bytes are the same.
func TestOneCommandInTwoCodecs(t *testing.T) {
	tr := cluster.CreateInMemoryTransport(t)
	codecNodes(t, tr, nil, nil)
	ask := func(codec string) (*leaflet, error) {
		to := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 4, Codec: codec}).Kind("durable").Key("k")
		return cluster.NewRequest[*wrapperspb.Int64Value, leaflet](to).Request(t.Context(), wrapperspb.Int64(7), cluster.WithID("order-1"))
	}
	for range 2 {
		if got, err := ask(cborcodec.Name); err != nil || got.Codec != cborcodec.Name {
			t.Errorf("got %+v, %v", got, err)
		}
	}
	_, err := ask("")
	wantError(t, err, cluster.ErrIDReused, cluster.NotStarted)
}

// TestInterceptsSeeTheCodec, and a node's own messages are JSON whatever the client's codec is.
func TestInterceptsSeeTheCodec(t *testing.T) {
	tr := cluster.CreateInMemoryTransport(t)
	codecNodes(t, tr, nil, nil)
	var seen []string
	client := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 4, Codec: cborcodec.Name, Intercept: func(ctx context.Context, out *cluster.Outgoing, next func(context.Context) error) error {
		seen = append(seen, out.Type()+" "+out.Codec())
		return next(ctx)
	}, EnvelopeOptions: []cluster.EnvelopeOption{func(env *cluster.Envelope) { env.Codec = "msgpack" }}})
	if got, err := cluster.NewRequest[leaflet, leaflet](client.Kind("typed").Key("k")).Request(t.Context(), leaflet{}); err != nil || got.Codec != cborcodec.Name {
		t.Errorf("got %+v, %v", got, err)
	}
	if info, err := client.Shard(1).GetNodeInfo(t.Context()); err != nil || info.NodeID != "node-1" {
		t.Errorf("got %+v, %v", info, err)
	}
	if want := []string{"leaflet cbor", cluster.MsgClusterNodeInfo + " "}; !reflect.DeepEqual(seen, want) {
		t.Errorf("the Intercept has seen %q, want %q", seen, want)
	}
}
