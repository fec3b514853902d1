package cluster_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/cluster/cborcodec"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// Messages whose fields, or whose own code, could keep the bytes that they are decoded from.
type (
	keptPlain struct {
		Text  string
		Bytes []byte
		Many  map[string]string
	}
	keptCBOR   keptPlain
	keptRaw    struct{ Raw json.RawMessage }
	keptOwn    struct{ Own keptBytes }
	keptBinary struct{ Own *keptOctets }
	keptBytes  struct{ b []byte }
	keptOctets struct{ B []byte }
	keptSelf   struct {
		N    int
		self *keptSelf
	}
)

func (keptCBOR) MessageCodec() string   { return cborcodec.Name }
func (keptBinary) MessageCodec() string { return cborcodec.Name }

// UnmarshalJSON keeps what it must not keep, and so does UnmarshalBinary.
func (k *keptBytes) UnmarshalJSON(b []byte) error    { k.b = b; return nil }
func (k keptBytes) MarshalJSON() ([]byte, error)     { return k.b, nil }
func (k *keptOctets) UnmarshalBinary(b []byte) error { k.B = b; return nil }
func (k *keptOctets) MarshalBinary() ([]byte, error) { return k.B, nil }

// UnmarshalBinary keeps where its value is.
func (k *keptSelf) UnmarshalBinary(b []byte) error { k.N, k.self = int(b[0]), k; return nil }
func (k keptSelf) MarshalBinary() ([]byte, error)  { return []byte{byte(k.N)}, nil }

// kept is what handlers and callers keep, and how it looked.
type kept struct {
	mu    sync.Mutex
	looks []func() string
	was   []string
	fault error
}

// keep keeps what look looks at. It must hold text.
func (k *kept) keep(look func() string, text string) {
	was := strings.Clone(look())
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.looks, k.was = append(k.looks, look), append(k.was, was); !strings.Contains(was, text) {
		k.fault = fmt.Errorf("%q is not in %q", text, was)
	}
}

// keepData keeps the bytes of a message, which have nothing of another behind them.
func (k *kept) keepData(data []byte) {
	k.keep(func() string { return string(data) }, string(data[:cap(data)]))
}

// keptForm is one type of messages.
type keptForm struct {
	method actor.Option
	ask    func(ctx context.Context, to *cluster.ScopedClient, text string) error
	tell   func(ctx context.Context, to *cluster.ScopedClient, text string) *cluster.Receipt
}

// formOf is a type whose method and callers keep all that they get.
func formOf[M any](k *kept, of func(text string) M, look func(M) string) keptForm {
	return keptForm{
		actor.OnRequest(func(n *int, c *actor.Context, m M) (M, error) {
			k.keep(func() string { return look(m) }, "")
			if *n++; *n%3 == 0 { // when they were decoded
				k.keepData(c.Message().Data)
			}
			return m, nil
		}),
		func(ctx context.Context, to *cluster.ScopedClient, text string) error {
			m, err := cluster.NewRequest[M, M](to).Request(ctx, of(text))
			if err == nil {
				k.keep(func() string { return look(*m) }, text)
			}
			return err
		},
		func(ctx context.Context, to *cluster.ScopedClient, text string) *cluster.Receipt {
			return to.NotifyAsync(ctx, of(text))
		},
	}
}

func formsOf(k *kept) []keptForm {
	quoted := func(text string) []byte { return fmt.Appendf(nil, "%q", text) }
	plain := func(text string) keptPlain { return keptPlain{text, []byte(text), map[string]string{text: text}} }
	return []keptForm{
		formOf(k, plain, func(m keptPlain) string { return fmt.Sprintf("%s %s %s", m.Text, m.Bytes, m.Many) }),
		formOf(k, func(text string) keptCBOR { return keptCBOR(plain(text)) },
			func(m keptCBOR) string { return fmt.Sprintf("%s %s %s", m.Text, m.Bytes, m.Many) }),
		formOf(k, func(text string) keptRaw { return keptRaw{quoted(text)} }, func(m keptRaw) string { return string(m.Raw) }),
		formOf(k, func(text string) keptOwn { return keptOwn{keptBytes{quoted(text)}} }, func(m keptOwn) string { return string(m.Own.b) }),
		formOf(k, func(text string) keptBinary { return keptBinary{&keptOctets{[]byte(text)}} }, func(m keptBinary) string { return string(m.Own.B) }),
		formOf(k, func(text string) *wrapperspb.BytesValue { return wrapperspb.Bytes([]byte(text)) },
			func(m *wrapperspb.BytesValue) string { return string(m.Value) }),
		formOf(k, wrapperspb.String, func(m *wrapperspb.StringValue) string { return m.Value }),
	}
}

// TestWhatIsKeptOverNATS does not change while packets and the memory of calls are used for others, whatever the code is that
// keeps it.
func TestWhatIsKeptOverNATS(t *testing.T) {
	const callers, rounds = 8, 12
	url := testkit.StartNATS(t)
	for _, host := range []string{"typed", "around", "funcs"} {
		k := &kept{}
		forms := formsOf(k)
		var ends [2]*natstransport.Transport
		for i := range ends {
			tr, err := natstransport.Open(t.Context(), natstransport.Options{URL: url, Prefix: host, Log: quiet})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = tr.Close() })
			ends[i] = tr
		}
		methods := make([]actor.Option, len(forms))
		for i, f := range forms {
			methods[i] = f.method
		}
		node := cluster.NodeOptions{NodeID: "node-1", Transport: ends[0], NumShards: 4, Shards: []uint32{0, 1, 2, 3},
			Handler: cluster.NewActorHandler(actor.Define("kept", func(string) *int { return new(int) }, methods...).New)}
		switch host {
		case "around":
			node.Around = func(ctx context.Context, in *cluster.Incoming, next func(context.Context) error) error {
				err := next(ctx)
				k.keepData(in.Data())
				return err
			}
		case "funcs":
			node.Handler = cluster.NewKeyHandler(func(string) (cluster.ServerHandlerFunc, error) {
				return func(_ context.Context, env cluster.Envelope) ([]byte, error) {
					k.keepData(env.Data)
					return env.Data, nil
				}, nil
			})
		}
		end := startNode(t, node)
		client := newClient(t, cluster.ClientOptions{Transport: ends[1], NumShards: 4})
		var all sync.WaitGroup
		for c := range callers {
			all.Go(func() {
				if err := keptCaller(t.Context(), c, rounds, client, forms, k); err != nil {
					t.Errorf("%s: %v", host, err)
				}
			})
		}
		all.Wait()
		end()
		for i, look := range k.looks {
			if now := look(); now != k.was[i] {
				t.Fatalf("%s: %q has become %q", host, k.was[i], now)
			}
		}
		if k.fault != nil {
			t.Errorf("%s: %v", host, k.fault)
		}
	}
}

// keptCaller sends messages of all forms, most of them in packets with many others.
func keptCaller(ctx context.Context, c, rounds int, client *cluster.Client, forms []keptForm, k *kept) error {
	var receipts []*cluster.Receipt
	for i := range rounds {
		for n, f := range forms {
			text := strings.Repeat(fmt.Sprintf("%d-%d-%d ", c, i, n), 1+(c*37+i*91+n*53)%60)
			to := client.Key(fmt.Sprint("key-", (c+i+n)%5))
			for range 4 {
				receipts = append(receipts, f.tell(ctx, to, text))
			}
			if err := f.ask(ctx, to, text); err != nil {
				return fmt.Errorf("form %d: %w", n, err)
			}
			raw, err := to.RequestRaw(ctx, "google.protobuf.StringValue", fmt.Appendf([]byte{10, byte(len(text) | 0x80), byte(len(text) >> 7)}, "%s", text))
			if err != nil {
				return err
			}
			k.keep(func() string { return string(raw[:cap(raw)]) }, text)
		}
	}
	errs := make([]error, len(receipts))
	for i, r := range receipts {
		errs[i] = r.Wait(ctx)
	}
	return errors.Join(errs...)
}

// TestReplyThatKnowsWhereItIs: the memory of a reply is not used again if the reply's own code has seen it.
func TestReplyThatKnowsWhereItIs(t *testing.T) {
	tr := cluster.CreateInMemoryTransport(t)
	startNode(t, cluster.NodeOptions{NodeID: "node-1", Transport: tr, NumShards: 4, Shards: []uint32{0, 1, 2, 3},
		Handler: cluster.NewActorHandler(actor.Define("kept", func(string) *int { return new(int) },
			actor.OnRequest(func(_ *int, _ *actor.Context, m keptSelf) (keptSelf, error) { return m, nil })).New)})
	to := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 4, Codec: cborcodec.Name}).Key("k")
	got, err := clstr.Ask[keptSelf](t.Context(), to, keptSelf{N: 7})
	if err != nil || got.N != 7 || got.self.N != 7 {
		t.Errorf("got %+v, and where it was %+v, %v", got, got.self, err)
	}
}
