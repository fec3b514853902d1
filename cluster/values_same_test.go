package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	pactor "github.com/asynkron/protoactor-go/actor"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/handlers"
	"github.com/clstr-go/clstr/state/memstate"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport/memtransport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// Messages that must not differ where they come as values.
type (
	sheet struct {
		Text  string
		Lines []string
		N     float64
		At    time.Time
		Empty []int `json:",omitempty"`
		local int
	}
	sheetNote sheet
	refused   struct{ N int }
	owing     struct{ Lines []string }
)

func (r refused) Validate() error {
	if r.N < 0 {
		return errBadAmount
	}
	return nil
}

// asBytes gives a client an Intercept, which sees bytes: all its messages are encoded.
func asBytes(ctx context.Context, _ *cluster.Outgoing, next func(context.Context) error) error {
	return next(ctx)
}

// heard is what handlers have seen, as text.
type heard struct {
	mu    sync.Mutex
	lines []string
}

func (h *heard) note(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, fmt.Sprintf(format, args...))
}

func (h *heard) take() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	lines := h.lines
	h.lines = nil
	return lines
}

func init() { actor.RegisterMessage[sheet](); actor.RegisterMessage[*sheetNote]() }

// answering are handlers of all kinds that note what they see, spoil it, and look again.
func answering(h *heard) map[string]cluster.ServerHandlerFunc {
	type desk struct{ N int }
	see := func(c *actor.Context, in sheet) (sheet, error) {
		h.note("%+v", in)
		if len(in.Lines) > 0 {
			in.Lines[0] = "spoilt"
		}
		m := c.Message()
		h.note("%s %s %s", m.Type, m.Key, m.Data)
		if in.Text == "panic" {
			panic("it was asked for")
		}
		if in.Text == "fail" {
			return in, errBadAmount
		}
		if in.Text == "not a number" {
			in.N = math.NaN()
		}
		return in, nil
	}
	options := []actor.Option{
		actor.OnRequest(func(_ *desk, c *actor.Context, in sheet) (sheet, error) { return see(c, in) }),
		actor.OnNotify(func(_ *desk, c *actor.Context, in sheetNote) error { _, err := see(c, sheet(in)); return err }),
		actor.OnRequest(func(_ *desk, c *actor.Context, in refused) (*sheet, error) { return nil, nil }),
		actor.OnRequestLater(func(d *desk, c *actor.Context, in owing, a actor.Answer[sheet]) error {
			in.Lines[0] = "spoilt"
			a.Context().Passivate()
			h.note("%s", a.Context().Message().Data)
			a.Reply(sheet{Lines: in.Lines})
			return nil
		}),
	}
	return map[string]cluster.ServerHandlerFunc{
		"typed":   handlers.NewActorHandler(actor.Define("desk", func(string) *desk { return &desk{} }, options...).New),
		"durable": handlers.NewActorHandler(actor.Define("desk", func(string) *desk { return &desk{} }, append(options, actor.Durable(actor.Persistence{}))...).New),
		"protoactor": handlers.NewActorHandler(func(string) (actor.Actor, error) {
			return pactor.ReceiveFunc(func(ctx pactor.Context) {
				switch m := ctx.Message().(type) {
				case sheet:
					out, err := see(actor.ContextOf(ctx), m)
					if err != nil {
						ctx.Respond(err)
						return
					}
					ctx.Respond(out)
				case *sheetNote:
					_, _ = see(actor.ContextOf(ctx), sheet(*m))
				case *actor.Message:
					h.note("%+v", *m)
					ctx.Respond(sheet{Text: m.Type})
				}
			}), nil
		}),
		"plain": func(_ context.Context, env cluster.Envelope) ([]byte, error) {
			h.note("%s %s", env.Type, env.Data)
			return env.Data, nil
		},
		"keyed": handlers.NewKeyHandler(func(string) (cluster.ServerHandlerFunc, error) {
			return func(_ context.Context, env cluster.Envelope) ([]byte, error) {
				h.note("%s %s", env.Type, env.Data)
				return env.Data, nil
			}, nil
		}),
	}
}

// TestValuesAreAsBytes: no handler, Around or caller can tell whether a message was encoded.
func TestValuesAreAsBytes(t *testing.T) { inOneProcess(t, valuesAreAsBytes) }

func valuesAreAsBytes(t *testing.T, open func() cluster.Transport) {
	type outcomes struct {
		replies, errs, heard []string
	}
	for _, around := range []bool{false, true} {
		h := &heard{}
		for kind, handler := range answering(h) {
			t.Run(fmt.Sprint(kind, " around ", around), func(t *testing.T) {
				tr := open()
				node := cluster.NodeOptions{NodeID: "node-1", Transport: tr, NumShards: 4, Shards: []uint32{0, 1, 2, 3}, State: memstate.New(),
					Kinds: map[string]cluster.ServerHandlerFunc{"desk": handler}}
				if around {
					node.Around = func(ctx context.Context, in *cluster.Incoming, next func(context.Context) error) error {
						h.note("before %s", in.Data())
						err := next(ctx)
						reply, ok := in.Reply()
						h.note("after %s %v %v: %s", in.Data(), err, ok, reply)
						return err
					}
				}
				startNode(t, node)
				talk := func(client *cluster.Client) (o outcomes) {
					to := client.Kind("desk").Key("k")
					heard := func() { o.heard = append(o.heard, h.take()...) }
					got := func(reply any, err error) {
						v := reflect.ValueOf(reply)
						for v.Kind() == reflect.Pointer {
							v = v.Elem()
						}
						o.replies = append(o.replies, fmt.Sprintf("%#v", v))
						o.errs = append(o.errs, fmt.Sprint(err, cluster.OutcomeOf(err)))
						heard()
					}
					full := sheet{Text: "<a>", Lines: []string{"b"}, N: math.Copysign(0, -1), At: time.Date(2026, 11, 29, 17, 0, 0, 5, time.UTC), Empty: []int{}, local: 3}
					for _, text := range []string{"<a>", "fail", "panic", "not a number", "\xff"} {
						full.Text = text
						full.Lines = []string{"b"}
						got(cluster.NewRequest[sheet, sheet](to).Request(t.Context(), full))
						got(cluster.NewRequest[*sheet, *sheet](to).Request(t.Context(), &full))
						got(cluster.NewRequest[any, map[string]any](to).Request(t.Context(), full))
						got(to.Request(t.Context(), full))
						got(nil, to.Notify(t.Context(), sheetNote(full)))
						got(cluster.NewRequest[owing, sheet](to).Request(t.Context(), owing{[]string{"x"}})) // after the notification
						if full.Lines[0] != "b" {
							t.Error("the caller's message has changed")
						}
					}
					got(cluster.NewRequest[refused, sheet](to).Request(t.Context(), refused{-1}))
					got(cluster.NewRequest[*refused, sheet](to).Request(t.Context(), &refused{1}))
					got(cluster.NewRequest[*refused, sheet](to).Request(t.Context(), nil))
					got(cluster.NewRequest[sheet, sheet](to).Request(t.Context(), sheet{N: math.Inf(1)}))
					got(cluster.NewRequest[sheet, sheet](to).Request(t.Context(), full, cluster.WithID("1")))
					return o
				}
				values, asIs := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 4}), newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 4, Intercept: asBytes})
				a, b := talk(values), talk(asIs)
				for i, name := range []string{"replies", "errors", "handlers"} {
					x, y := [][]string{a.replies, a.errs, a.heard}[i], [][]string{b.replies, b.errs, b.heard}[i]
					if !reflect.DeepEqual(x, y) {
						for j := range x {
							if j >= len(y) || x[j] != y[j] {
								t.Errorf("%s as values: %q\nas bytes: %q", name, x[j], y[min(j, len(y)-1)])
							}
						}
					}
				}
				if len(a.heard) == 0 {
					t.Error("no handler has heard anything")
				}
			})
		}
	}
}

// TestOneCommandInBothForms: a command with an ID that was sent as a value is known again when it comes as bytes, and is another one if its payload differs.
func TestOneCommandInBothForms(t *testing.T) { inOneProcess(t, oneCommandInBothForms) }

func oneCommandInBothForms(t *testing.T, open func() cluster.Transport) {
	tr := open()
	startNode(t, cluster.NodeOptions{NodeID: "node-1", Transport: tr, NumShards: 4, Shards: []uint32{0, 1, 2, 3}, State: memstate.New(),
		Kinds: map[string]cluster.ServerHandlerFunc{"desk": answering(&heard{})["durable"]}})
	clients := []*cluster.Client{newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 4}), newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 4, Intercept: asBytes})}
	for i := range clients {
		first, second := clients[i], clients[1-i]
		to := fmt.Sprint("k", i)
		m := sheet{Text: "t", Lines: []string{"a"}}
		a, err := cluster.NewRequest[sheet, sheet](first.Kind("desk").Key(to)).Request(t.Context(), m, cluster.WithID("order-1"))
		b, again := cluster.NewRequest[sheet, sheet](second.Kind("desk").Key(to)).Request(t.Context(), m, cluster.WithID("order-1"))
		if err != nil || again != nil || !reflect.DeepEqual(a, b) {
			t.Errorf("%+v, %v; again %+v, %v", a, err, b, again)
		}
		m.N = 1
		if _, err := cluster.NewRequest[sheet, sheet](second.Kind("desk").Key(to)).Request(t.Context(), m, cluster.WithID("order-1")); !errors.Is(err, cluster.ErrIDReused) {
			t.Errorf("another payload: %v", err)
		}
	}
}

// TestLimitsOfValues: a message or a reply that does not fit is refused with the same words.
func TestLimitsOfValues(t *testing.T) {
	type blob struct{ Raw []byte }
	type grow struct{ N int }
	def := actor.Define("blob", func(string) *struct{} { return new(struct{}) },
		actor.OnRequest(func(_ *struct{}, _ *actor.Context, in blob) (grow, error) { return grow{len(in.Raw)}, nil }),
		actor.OnRequest(func(_ *struct{}, _ *actor.Context, in grow) (*blob, error) { return &blob{make([]byte, in.N)}, nil }))
	few := []int{0, 400, 3000, 3500, 3600, 3700, 14500, 14700, 14800, 14900, 40000}
	big := []int{0, 700 << 10, 783 << 10, 786 << 10, 790 << 10} // around 1 MiB as JSON
	for most, sizes := range map[int][]int{5000: few, 20000: few, 0: big, -1: {0, 790 << 10}, -2: few} {
		var tr cluster.Transport
		if most == -2 {
			tr = dialNATS(t, natstransport.Options{URL: testkit.StartNATSServer(t, &server.Options{MaxPayload: 20000}).URL()})
		} else {
			mem := memtransport.New(memtransport.Options{MaxMessageBytes: most}).WithLog(quiet)
			t.Cleanup(func() { _ = mem.Close() })
			tr = mem
		}
		startNode(t, cluster.NodeOptions{NodeID: "node-1", Transport: tr, NumShards: 4, Shards: []uint32{0, 1, 2, 3}, Handler: handlers.NewActorHandler(def.New)})
		values, asIs := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 4}), newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 4, Intercept: asBytes})
		refused := 0
		for _, n := range sizes {
			for _, headers := range []int{0, 500} {
				opts := cluster.WithHeader("a", strings.Repeat("x", headers))
				ask := func(c *cluster.Client) (sent, got string) {
					_, err := cluster.NewRequest[blob, grow](c.Key("k")).Request(t.Context(), blob{make([]byte, n)}, opts)
					reply, back := cluster.NewRequest[grow, blob](c.Key("k")).Request(t.Context(), grow{n}, opts)
					if back == nil && len(reply.Raw) != n {
						t.Errorf("%d bytes, want %d", len(reply.Raw), n)
					}
					if err != nil {
						refused++
					}
					return fmt.Sprint(err, cluster.OutcomeOf(err)), fmt.Sprint(back, cluster.OutcomeOf(back))
				}
				a, b := ask(values)
				c, d := ask(asIs)
				if a != c || b != d {
					t.Errorf("limit %d, %d bytes, as values:\n%s\n%s\nas bytes:\n%s\n%s", most, n, a, b, c, d)
				}
			}
		}
		if (refused == 0) != (most == -1) {
			t.Errorf("limit %d: %d were refused", most, refused)
		}
	}
}

// spying has a Request of its own, as a fault injector of a user's has.
type spying struct {
	*cluster.MemoryTransport
	saw *heard
}

func (s spying) Request(ctx context.Context, env cluster.Envelope) ([]byte, error) {
	s.saw.note("%s %s", env.Type, env.Data)
	return s.MemoryTransport.Request(ctx, env)
}

// TestWrappersSeeBytes: a transport that embeds this library's and has a Request of its own sees all messages.
func TestWrappersSeeBytes(t *testing.T) {
	saw := &heard{}
	client := serve(t, answering(&heard{})["typed"], func(_ *cluster.NodeOptions, c *cluster.ClientOptions) {
		c.Transport = spying{c.Transport.(*cluster.MemoryTransport), saw}
	})
	if _, err := cluster.NewRequest[owing, sheet](client.Key("k")).Request(t.Context(), owing{[]string{"x"}}); err != nil {
		t.Error(err)
	}
	if lines := saw.take(); len(lines) != 1 || lines[0] != `owing {"Lines":["x"]}` {
		t.Errorf("it saw %q", lines)
	}
}
