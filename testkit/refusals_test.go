package testkit_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
)

// safe is an entity whose calls fail in every way that a node can refuse or fail
// them.
type safe struct{ held chan<- struct{} }

type (
	put    struct{ N int }
	badSum struct{}
	crash  struct{}
	hang   struct{}
	hold   struct{}
)

type noRoom struct{ Floor int }

func (n noRoom) Error() string { return fmt.Sprintf("no room on floor %d", n.Floor) }

func init() { cluster.RegisterErrorType[noRoom]("testkit_test.no_room") }

// safes are kept closed by what their keys say; those that hold tell so, and wait
// for the gate.
func safes(held chan<- struct{}, gate <-chan struct{}) *actor.Definition[safe] {
	return actor.Define("safe", func(string) *safe { return &safe{held} },
		actor.OnActivate(func(_ *safe, c *actor.Context) error {
			switch key, _, _ := strings.Cut(c.Key(), "/"); key {
			case "registered":
				return fmt.Errorf("vault: %w", errNoRecords)
			case "typed":
				return fmt.Errorf("vault: %w", noRoom{13})
			case "nobody's":
				return errors.New("the key is bent")
			case "library's":
				return fmt.Errorf("vault: %w", cluster.ErrNotOwner)
			case "stuck":
				<-gate
			}
			return nil
		}),
		actor.OnRequest(func(*safe, *actor.Context, put) (sum, error) { return sum{N: 1}, nil }),
		actor.OnRequest(func(*safe, *actor.Context, badSum) (chan int, error) { return make(chan int), nil }),
		actor.OnRequest(func(*safe, *actor.Context, crash) (sum, error) { panic("boom") }),
		actor.OnRequest(func(_ *safe, c *actor.Context, _ hang) (sum, error) {
			<-c.Done()
			return sum{}, c.Err()
		}),
		actor.OnNotify(func(s *safe, _ *actor.Context, _ hold) error {
			s.held <- struct{}{}
			<-gate
			return nil
		}),
	)
}

func plainSafe(ctx context.Context, env cluster.Envelope) ([]byte, error) {
	switch env.Type {
	case "crash":
		panic("boom")
	case "hang":
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return env.Data, nil
}

var quiet = slog.New(slog.DiscardHandler) // panics are meant

// TestNodesRefusals: whatever a node refuses, or cannot bring to an end, its caller
// knows by errors.Is, by the code and by the outcome.
func TestNodesRefusals(t *testing.T) {
	testkit.EachTransport(t, func(t *testing.T, kind testkit.TransportKind) {
		box := cluster.NewActorHandler(safes(nil, nil).New)
		create := func(string) (cluster.ServerHandlerFunc, error) { return plainSafe, nil }
		noKey := cluster.NewScopedHandler(cluster.ScopedHandlerOpts{
			Extract: func(cluster.Envelope) (string, error) { return "", nil }, Create: create,
		})
		c := testkit.NewCluster(t, testkit.ClusterOptions{
			Transport: kind, Nodes: 2, NumShards: 16, Seed: "s", Log: quiet, Handler: cluster.NewKeyHandler(create),
			Kinds: map[string]cluster.ServerHandlerFunc{"safe": box, "scoped": noKey, "plain": plainSafe},
		})
		client, ctx := c.Client(), within(t, 30*time.Second)
		other := func(o cluster.ClientOptions, kind string) *cluster.ScopedClient {
			return c.NewClient(o).Kind(kind).Key("k")
		}
		safe := func(key string) *cluster.ScopedClient { return client.Kind("safe").Key(key) }

		never := func(is error, code string) verdict { return verdict{is: is, code: code, outcome: cluster.NotStarted} }
		failed := func(cause error) verdict {
			return verdict{is: cluster.ErrActivationFailed, code: "activation_failed", outcome: cluster.NotStarted, cause: cause, hint: 50 * time.Millisecond}
		}
		layout, panicked := never(cluster.ErrLayoutMismatch, "layout_mismatch"), verdict{is: cluster.ErrPanicked, code: "panicked", outcome: cluster.MaybeRan}
		for _, test := range []struct {
			what          string
			to            *cluster.ScopedClient
			msgType, data string
			atTheDoor     bool // a notification is refused too
			want          verdict
		}{
			{"fewer shards", other(cluster.ClientOptions{NumShards: 8}, "safe"), "put", "{}", true, layout},
			{"one shard more", other(cluster.ClientOptions{NumShards: 17}, "safe"), "put", "{}", true, layout},
			{"another seed", other(cluster.ClientOptions{Seed: "t"}, "safe"), "put", "{}", true, layout},
			{"fewer shards, for a plain func", other(cluster.ClientOptions{NumShards: 8}, "plain"), "put", "{}", true, layout},
			{"another seed, for a plain func", other(cluster.ClientOptions{Seed: "t"}, "plain"), "put", "{}", true, layout},
			{"an unknown kind", client.Kind("strange").Key("k"), "put", "{}", true, never(cluster.ErrUnknownKind, "unknown_kind")},
			{"no key", client.Shard(3), "put", "{}", true, never(cluster.ErrMissingKeyHeader, "missing_key")},
			{"an empty key", client.Kind("scoped").Key("k"), "put", "{}", true, never(cluster.ErrKeyRequired, "key_required")},
			{"half a payload", safe("k"), "put", "{", false, never(cluster.ErrDecode, "bad_payload")},
			{"no payload", safe("k"), "put", "", false, never(cluster.ErrDecode, "bad_payload")},
			{"an unknown type", safe("k"), "take", "{}", false, never(cluster.ErrUnknownType, "unknown_type")},
			{"a reply that does not marshal", safe("k"), "badSum", "{}", false, verdict{is: cluster.ErrReply, code: "reply", outcome: cluster.RanAndFailed}},
			{"a panic of an entity", safe("k"), "crash", "{}", false, panicked},
			{"a panic of a keyed func", client.Key("k"), "crash", "{}", false, panicked},
			{"a panic of a plain func", client.Kind("plain").Key("k"), "crash", "{}", false, panicked},
			{"an activation, a registered cause", safe("registered"), "put", "{}", false, failed(errNoRecords)},
			{"an activation, a typed cause", safe("typed"), "put", "{}", false, failed(noRoom{13})},
			{"an activation, a cause that is tried again", safe("library's"), "put", "{}", false, failed(cluster.ErrNotOwner)},
		} {
			_, err := test.to.RequestRaw(ctx, test.msgType, []byte(test.data))
			test.want.check(t, test.what, err)
			if err != nil && strings.Contains(err.Error(), "boom") {
				t.Errorf("%s: %v tells the panic's value", test.what, err)
			}
			to := test.to
			if test.want.hint > 0 { // that key is not tried again yet: one that is as bad
				to = safe("registered/" + test.what)
			}
			switch err := to.NotifyRaw(ctx, test.msgType, []byte(test.data)); {
			case test.atTheDoor:
				test.want.check(t, test.what+", notified", err)
			case err != nil:
				t.Errorf("%s: a notification is not accepted: %v", test.what, err)
			}
			if _, err := safe("k").Request(ctx, put{1}); err != nil {
				t.Errorf("after %s: %v", test.what, err)
			}
		}

		// A cause that nobody registered has its text and the application's code.
		_, err := safe("nobody's").Request(ctx, put{1})
		e, ok := errors.AsType[*cluster.Error](err)
		if !ok || !errors.Is(err, cluster.ErrActivationFailed) || e.Outcome != cluster.NotStarted || !strings.Contains(err.Error(), "the key is bent") {
			t.Errorf("an activation, nobody's cause: got %v (%v)", err, cluster.OutcomeOf(err))
		} else if len(e.Causes) != 1 || e.Causes[0].Code != "application" || !strings.Contains(e.Causes[0].Message, "the key is bent") {
			t.Errorf("an activation, nobody's cause: the causes are %+v", e.Causes)
		}
		_, err = safe("typed").Request(ctx, put{1})
		if full, ok := errors.AsType[noRoom](err); !ok || full.Floor != 13 {
			t.Errorf("an activation, a typed cause: got %v with %+v", err, full)
		}
	})
}

// TestNodesTimeOut: a handler at its limit. Nothing else is called here, because a
// busy machine may not get it done in that time.
func TestNodesTimeOut(t *testing.T) {
	testkit.EachTransport(t, func(t *testing.T, kind testkit.TransportKind) {
		create := func(string) (cluster.ServerHandlerFunc, error) { return plainSafe, nil }
		c := testkit.NewCluster(t, testkit.ClusterOptions{
			Transport: kind, Nodes: 1, Log: quiet, Limits: transport.Limits{HandlerTimeout: 20 * time.Millisecond},
			Kinds: map[string]cluster.ServerHandlerFunc{
				"entity": cluster.NewActorHandler(safes(nil, nil).New), "keyed": cluster.NewKeyHandler(create), "plain": plainSafe,
			},
		})
		for _, handler := range []string{"entity", "keyed", "plain"} {
			_, err := c.Client().Kind(handler).Key("k").Request(within(t, 30*time.Second), hang{})
			verdict{is: cluster.ErrHandlerTimeout, code: "handler_timeout", outcome: cluster.MaybeRan}.check(t, handler, err)
		}
	})
}

// TestNodesExpire: the time to live of a message that waits for its turn.
func TestNodesExpire(t *testing.T) {
	testkit.EachTransport(t, func(t *testing.T, kind testkit.TransportKind) {
		held, gate := make(chan struct{}, 1), make(chan struct{})
		c := testkit.NewCluster(t, testkit.ClusterOptions{Transport: kind, Nodes: 1, Handler: cluster.NewActorHandler(safes(held, gate).New)})
		k, ctx := c.Client().Key("k"), within(t, 30*time.Second)
		if err := k.Notify(ctx, hold{}); err != nil {
			t.Fatal(err)
		}
		<-held
		open := sync.OnceFunc(func() { close(gate) })
		t.Cleanup(open) // before the nodes end
		for told := false; !told; {
			_, err := k.Request(ctx, put{1}, cluster.WithTTL(10*time.Millisecond))
			if o := cluster.OutcomeOf(err); o == cluster.NotSent || o == cluster.MaybeRan && strings.Contains(err.Error(), "no answer from the owner") {
				continue // this end's own word: a busy machine has not let the node say it in time
			}
			told = true
			verdict{is: cluster.ErrEnvelopeExpired, code: "expired", outcome: cluster.NotStarted}.check(t, "a request", err)
		}
		open()
		if _, err := k.Request(ctx, put{1}); err != nil {
			t.Errorf("after that: %v", err)
		}
	})
}

// TestNodesBounds: what finds no room is refused at once, with a hint when to try
// again. The handlers stand still at a gate, and one message is sent after the
// other, each when the node has taken the last.
func TestNodesBounds(t *testing.T) {
	const room, pending = 2, 8
	testkit.EachTransport(t, func(t *testing.T, kind testkit.TransportKind) {
		held, gate := make(chan struct{}, 2*pending), make(chan struct{})
		host := func(o cluster.HandlerOptions) cluster.ServerHandlerFunc {
			return cluster.NewActorHandlerWithOpts(safes(held, gate).New, o)
		}
		c := testkit.NewCluster(t, testkit.ClusterOptions{
			Transport: kind, Nodes: 1, NumShards: 3, Log: quiet, Limits: transport.Limits{MaxPending: pending},
			Handler: host(cluster.HandlerOptions{MailboxSize: room}),
			Kinds:   map[string]cluster.ServerHandlerFunc{"hooks": host(cluster.HandlerOptions{HookTimeout: time.Millisecond})},
		})
		client, ctx := c.Client(), within(t, 30*time.Second)
		open := sync.OnceFunc(func() { close(gate) })
		t.Cleanup(open) // before the nodes end
		accepted := 0
		// fill sends what stands still until n messages wait behind the first.
		fill := func(key string, n int) {
			t.Helper()
			for i := range 1 + n {
				if err := client.Key(key).Notify(ctx, hold{}); err != nil {
					t.Fatalf("%s: %v", key, err)
				}
				if accepted++; i == 0 {
					<-held // and it is not in the mailbox any more
				}
			}
		}
		refused := func(what string, to *cluster.ScopedClient, hint time.Duration) {
			t.Helper()
			want := verdict{is: cluster.ErrOverloaded, code: "overloaded", outcome: cluster.NotStarted, hint: hint}
			_, err := to.Request(ctx, put{1})
			want.check(t, what, err)
			want.check(t, what+", notified", to.Notify(ctx, hold{}))
		}
		keys := func(shard uint32, name string, n int) (found []string) {
			for i := 0; len(found) < n; i++ {
				if key := fmt.Sprint(name, "/", i); c.Shard(key) == shard {
					found = append(found, key)
				}
			}
			return found
		}

		full, many := keys(0, "key", 2), keys(1, "key", 4)
		fill(full[0], room)
		refused("a full mailbox", client.Key(full[0]), 5*time.Millisecond)
		if _, err := client.Key(full[1]).Request(ctx, put{1}); err != nil {
			t.Errorf("beside a full mailbox: %v", err)
		}
		fill(many[0], room)
		fill(many[1], room)
		fill(many[2], pending-2*(1+room)-1)
		refused("a full shard", client.Key(many[3]), 10*time.Millisecond)

		stuck := client.Kind("hooks").Key(keys(2, "stuck", 1)[0])
		if _, err := stuck.Request(ctx, put{1}); !cluster.OutcomeOf(err).NeverRan() {
			t.Errorf("a hook that goes on: got %v", err)
		}
		refused("a key that is stuck", stuck, time.Second)

		open()
		for range accepted - 4 { // of four the test has heard
			<-held
		}
		for _, key := range append(full, many...) {
			if _, err := client.Key(key).Request(ctx, put{1}); err != nil {
				t.Errorf("%s, with room again: %v", key, err)
			}
		}
		if n := len(held); n != 0 {
			t.Errorf("%d messages have run that were refused", n)
		}
	})
}
