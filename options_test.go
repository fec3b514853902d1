package clstr_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	pactor "github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/membership/memstore"
	"github.com/clstr-go/clstr/testkit"
)

// TestOptions: what cannot work is refused, with what is allowed.
func TestOptions(t *testing.T) {
	testkit.CheckLeaks(t)
	on, nothing := clstr.Memory(), (*actor.Definition[Account])(nil)
	kinds := map[string]cluster.ServerHandlerFunc{"account": cluster.NewActorHandler(accounts.New)}
	for want, opts := range map[string]clstr.Options{
		`Name "": 1 to 64 letters, digits, - and _`: {On: on},
		`Name "a.b": 1 to 64 letters`:               {On: on, Name: "a.b"},
		`Name "a b": 1 to 64 letters`:               {On: on, Name: "a b"},
		`Name "a>": 1 to 64 letters`:                {On: on, Name: "a>"},
		`Name "ä": 1 to 64 letters`:                 {On: on, Name: "ä"},
		`Name "_INBOX": 1 to 64 letters`:            {On: on, Name: "_INBOX"},
		`1 to 64 letters, digits, - and _, and not`: {On: on, Name: strings.Repeat("n", 65)},
		"service x: On is required: clstr.NATS":     {Name: "x"},
		"service x: On is required: clstr.Memory":   {Name: "x", On: (*clstr.MemoryNetwork)(nil)},
		"Entities[0] is nil":                        {Name: "x", On: on, Entities: clstr.Host(nil)},
		"Entities[1] is nil":                        {Name: "x", On: on, Entities: clstr.Host(accounts, nothing)},
		"Entities[0] has no kind":                   {Name: "x", On: on, Entities: clstr.Host(actor.Define("", func(string) *Account { return nil }))},
		`kind "account" is hosted twice`:            {Name: "x", On: on, Entities: clstr.Host(accounts, accounts)},
		`service x: kind "account" is hosted twice`: {Name: "x", On: on, Entities: clstr.Host(accounts), Node: cluster.NodeOptions{Kinds: kinds}},
		"Node: Transport":                           {Name: "x", On: on, Node: cluster.NodeOptions{Transport: cluster.NewInMemoryTransport()}},
		"service x: Node: Transport, Membership":    {Name: "x", On: on, Node: cluster.NodeOptions{Membership: memstore.New()}},
		"Shards, NumShards and Seed are set":        {Name: "x", On: on, Node: cluster.NodeOptions{NumShards: 4}},
		"Client: Transport":                         {Name: "x", On: on, Client: cluster.ClientOptions{Seed: "s"}},
		`NodeID "a.b": 1 to 255 letters`:            {Name: "x", On: on, Entities: clstr.Host(accounts), Node: cluster.NodeOptions{NodeID: "a.b"}},
		"Shards: 2000000":                           {Name: "x", On: on, Entities: clstr.Host(accounts), Shards: 2_000_000},
		"service x: Shards: 2000000":                {Name: "x", On: on, Shards: 2_000_000},
		"Connection: SubjectPrefix":                 {Name: "x", On: clstr.NATSOptions{}},
	} {
		want = strings.ReplaceAll(want, "clstr.Memory", "clstr.NATS")
		if n, ok := opts.On.(clstr.NATSOptions); ok {
			n.Transport.Prefix = "other"
			opts.On, want = n, "the prefixes are the service's name"
		}
		opts.Log = quiet
		svc, err := clstr.Open(t.Context(), opts)
		if !errors.Is(err, cluster.ErrBadOption) || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%v; want %q", err, want)
		}
		_ = svc.Close(t.Context())
	}
}

// TestOtherShards: another number of shards is refused, and both are named.
func TestOtherShards(t *testing.T) {
	networks(t, func(t *testing.T, on clstr.Network) {
		first := open(t, clstr.Options{On: on, Entities: clstr.Host(accounts), Shards: 16})
		deposit(t, first, "acc-1", 1)
		for _, hosted := range [][]clstr.Entity{clstr.Host(accounts), nil} {
			svc, err := clstr.Open(t.Context(), clstr.Options{Name: "bank", On: on, Entities: hosted, Shards: 32, Log: quiet})
			if hosted == nil && err == nil { // a client hears it from the nodes
				_, err = clstr.Ask[Balance](t.Context(), svc.Key(accounts, "acc-1"), Deposit{1})
				if !cluster.OutcomeOf(err).NeverRan() {
					t.Errorf("got %v", err)
				}
			}
			if text := fmt.Sprint(err); !errors.Is(err, cluster.ErrLayoutMismatch) || !strings.Contains(text, "32") || !strings.Contains(text, "16") {
				t.Errorf("got %v", err)
			}
			_ = svc.Close(t.Context())
		}
		// A process that does not say learns it, and one that says the same is let in.
		for _, shards := range []uint32{0, 16} {
			svc := open(t, clstr.Options{On: on, Entities: clstr.Host(accounts), Shards: shards})
			deposit(t, svc, "acc-1", 1)
		}
	})
}

// TestNoKindInCommon: another service under the same name is refused at the door.
func TestNoKindInCommon(t *testing.T) {
	networks(t, func(t *testing.T, on clstr.Network) {
		open(t, clstr.Options{On: on, Entities: clstr.Host(accounts), Shards: 4})
		_, err := clstr.Open(t.Context(), clstr.Options{Name: "bank", On: on, Entities: clstr.Host(orders), Log: quiet})
		if text := fmt.Sprint(err); !errors.Is(err, membership.ErrForeignKinds) || !strings.Contains(text, "order") || !strings.Contains(text, "account") {
			t.Errorf("got %v", err)
		}
	})
}

// TestKindLeftOut: a process that leaves a kind out refuses its calls, and says which.
func TestKindLeftOut(t *testing.T) {
	testkit.CheckLeaks(t)
	svc := open(t, clstr.Options{On: clstr.Memory(), Entities: clstr.Host(accounts), Shards: 4})
	_, err := clstr.Ask[Balance](t.Context(), svc.Key(orders, "1"), Transfer{"acc-1", 1})
	if !errors.Is(err, cluster.ErrUnknownKind) || !strings.Contains(fmt.Sprint(err), "order") || !cluster.OutcomeOf(err).NeverRan() {
		t.Errorf("got %v", err)
	}
}

// feed is an actor of protoactor.
type feed struct{ seen int64 }

func (f *feed) Receive(c pactor.Context) {
	if _, ok := c.Message().(Deposit); ok {
		f.seen++
		c.Respond(Balance{f.seen})
	}
}

func init() { actor.RegisterMessage[Deposit]() }

// TestOtherHandlers: protoactor's actors, handlers with bounds, and plain funcs are hosted
// beside entities, and callers see no difference.
func TestOtherHandlers(t *testing.T) {
	networks(t, func(t *testing.T, on clstr.Network) {
		svc := open(t, clstr.Options{On: on, Entities: clstr.Host(accounts), Shards: 4, Node: cluster.NodeOptions{
			Kinds: map[string]cluster.ServerHandlerFunc{
				"feed":    cluster.NewActorHandler(func(string) (actor.Actor, error) { return &feed{}, nil }),
				"bounded": cluster.NewActorHandlerWithOpts(accounts.New, cluster.HandlerOptions{CacheSize: 10}),
				"echo":    func(_ context.Context, env cluster.Envelope) ([]byte, error) { return env.Data, nil },
			},
		}})
		deposit(t, svc, "k", 1)
		for _, kind := range []string{"feed", "bounded", "echo"} {
			b, err := clstr.Ask[Balance](t.Context(), svc.Kind(kind).Key("k"), Deposit{1})
			if err != nil || b.Amount != 1 {
				t.Errorf("%s: %v, %v", kind, b, err)
			}
		}
	})
}

// TestOptionsOfACall are of this call alone.
func TestOptionsOfACall(t *testing.T) {
	testkit.CheckLeaks(t)
	svc := open(t, clstr.Options{On: clstr.Memory(), Shards: 4, Node: cluster.NodeOptions{
		Kinds: map[string]cluster.ServerHandlerFunc{"head": func(_ context.Context, env cluster.Envelope) ([]byte, error) {
			v, _ := env.GetHeader("lang")
			return []byte(`"` + v + `"`), nil
		}},
	}})
	for _, want := range []string{"de", ""} {
		var opts []cluster.EnvelopeOption
		if want != "" {
			opts = append(opts, cluster.WithHeader("lang", want), cluster.WithTTL(time.Minute))
		}
		if got, err := clstr.Ask[string](t.Context(), svc.Kind("head").Key("k"), Deposit{1}, opts...); err != nil || got != want {
			t.Errorf("%q, %v", got, err)
		}
	}
}

// squares answers protobuf messages.
type squares struct{}

func (*squares) Square(_ *actor.Context, m *wrapperspb.Int64Value) (*wrapperspb.Int64Value, error) {
	return wrapperspb.Int64(m.Value * m.Value), nil
}

// TestProtobuf: messages and replies may be protobuf's; the reply is asked for by its
// pointer.
func TestProtobuf(t *testing.T) {
	networks(t, func(t *testing.T, on clstr.Network) {
		def := actor.Define("square", func(string) *squares { return &squares{} }, actor.OnRequest((*squares).Square))
		svc := open(t, clstr.Options{On: on, Entities: clstr.Host(def), Shards: 4})
		if v, err := clstr.Ask[*wrapperspb.Int64Value](t.Context(), svc.Key(def, "k"), wrapperspb.Int64(12)); err != nil || v.GetValue() != 144 {
			t.Errorf("%v, %v", v, err)
		}
	})
}
