package prommetrics_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/cluster/prommetrics"
)

type account struct{}

type deposit struct{}

type touch struct{}

type block struct{}

type missing struct{}

// rig is a node and a client with the same registry, and what the node's
// entities do.
type rig struct {
	reg      *prometheus.Registry
	tr       *cluster.MemoryTransport
	client   *cluster.Client
	stop     func()
	blocked  chan struct{} // a block message runs
	release  chan struct{}
	notified chan struct{}
	ended    chan struct{} // an account's stop hook has run
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{
		reg: prometheus.NewRegistry(), tr: cluster.NewInMemoryTransport(),
		blocked: make(chan struct{}, 8), release: make(chan struct{}),
		notified: make(chan struct{}, 8), ended: make(chan struct{}, 8),
	}
	accounts := actor.Define("account", func(string) *account { return &account{} },
		actor.OnRequest(func(*account, *actor.Context, deposit) (int, error) { return 1, nil }),
		actor.OnRequest(func(_ *account, c *actor.Context, _ block) (int, error) {
			r.blocked <- struct{}{}
			select {
			case <-r.release:
			case <-c.Done():
			}
			return 0, errors.New("released")
		}),
		actor.OnNotify(func(*account, *actor.Context, touch) error { r.notified <- struct{}{}; return nil }),
		actor.OnActivate(func(_ *account, c *actor.Context) error {
			if c.Key() == "bad" {
				return errors.New("cannot load")
			}
			return nil
		}),
		actor.OnPassivate(func(*account, *actor.Context) error { r.ended <- struct{}{}; return nil }),
	)
	node := cluster.NewNode(cluster.NodeOptions{
		NodeID: "n1", Transport: r.tr, NumShards: 4, Shards: []uint32{0, 1, 2, 3},
		Kinds: map[string]cluster.ServerHandlerFunc{
			"account": cluster.NewActorHandlerWithOpts(accounts.New, cluster.HandlerOptions{MailboxSize: 1}),
		},
		Metrics: prommetrics.NewClusterMetrics(r.reg),
		Log:     slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- node.Run(ctx) }() // ends with stop
	<-node.Ready()
	r.stop = func() {
		cancel()
		if err := <-result; err != nil {
			t.Error(err)
		}
		result <- nil
	}
	t.Cleanup(func() { r.stop(); _ = r.tr.Close() })
	var err error
	r.client, err = cluster.NewClient(cluster.ClientOptions{
		Transport: r.tr, NumShards: 4, Metrics: prommetrics.NewClusterMetrics(r.reg),
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) key(key string) *cluster.ScopedClient { return r.client.Kind("account").Key(key) }

func TestCallsAreCounted(t *testing.T) {
	r := newRig(t)
	ctx := context.Background()
	if _, err := r.key("a").Request(ctx, deposit{}); err != nil {
		t.Fatal(err)
	}
	if err := r.key("a").Notify(ctx, touch{}); err != nil {
		t.Fatal(err)
	}
	<-r.notified
	if v := value(t, r.reg, "shards_owned", "n1"); v != 4 {
		t.Errorf("shards_owned is %v, want 4", v)
	}
	if v := value(t, r.reg, "active_keys", "account"); v != 1 {
		t.Errorf("active_keys is %v, want 1", v)
	}

	failed := make(chan error, 1)
	go func() { _, err := r.key("a").Request(ctx, block{}); failed <- err }() // ends when released
	<-r.blocked
	if v := value(t, r.reg, "handlers_active", "n1"); v != 1 {
		t.Errorf("handlers_active is %v while one runs, want 1", v)
	}
	// One waits in the mailbox of size 1, the next is refused.
	if err := r.key("a").Notify(ctx, touch{}); err != nil {
		t.Fatal(err)
	}
	if err := r.key("a").Notify(ctx, touch{}); !errors.Is(err, cluster.ErrOverloaded) {
		t.Fatalf("got %v, want ErrOverloaded", err)
	}
	r.release <- struct{}{}
	if err := <-failed; cluster.OutcomeOf(err) != cluster.RanAndFailed {
		t.Fatalf("got %v, want the handler's error", err)
	}
	<-r.notified
	if _, err := r.key("bad").Request(ctx, deposit{}); !errors.Is(err, cluster.ErrActivationFailed) {
		t.Fatalf("got %v, want ErrActivationFailed", err)
	}
	if err := r.key("a").Notify(ctx, missing{}); err != nil { // accepted, and nobody handles it
		t.Fatal(err)
	}
	r.stop()
	<-r.ended

	want(t, r.reg, []sample{
		{"requests_total", "account,deposit,succeeded,true", 1}, {"requests_total", "account,deposit,not_started,false", 1},
		{"requests_total", "account,block,ran_and_failed,false", 1},
		{"request_duration_seconds", "account,deposit", 2}, {"request_duration_seconds", "account,block", 1},
		{"notifies_total", "account,touch,succeeded,true", 2}, {"notifies_total", "account,touch,not_started,false", 1},
		{"handlers_total", "account,deposit,succeeded,true", 1}, {"handlers_total", "account,touch,succeeded,true", 2},
		{"handlers_total", "account,block,ran_and_failed,false", 1}, {"handler_duration_seconds", "account,touch", 2},
		{"handler_duration_seconds", "account,deposit", 1}, {"handler_duration_seconds", "account,block", 1},
		{"transport_errors_total", "overloaded", 1}, {"transport_errors_total", "activation_failed", 1},
		{"transport_errors_total", "application", -1}, // a handler's doing
		{"failed_notifications_total", "unknown_type", 1}, {"handlers_total", "account,unknown,not_started,false", 1}, {"notifies_total", "account,missing,succeeded,true", 1},
		{"handlers_active", "n1", 0}, {"shards_owned", "n1", 0}, {"active_keys", "account", 0},
		{"activations_total", "account", 1}, {"activation_failures_total", "account", 1},
		{"mailbox_refusals_total", "account", 1},
		{"refused_calls_total", "overloaded", 1}, {"refused_calls_total", "activation_failed", 1},
	})
	if v := value(t, r.reg, "passivations_total", "account"); v < 1 {
		t.Errorf("passivations_total is %v, want at least 1", v)
	}
}

// TestTypesThatNobodyKnows: made-up types take no place from those that there are.
func TestTypesThatNobodyKnows(t *testing.T) {
	r := newRig(t)
	const made = 300
	shard := int(cluster.ShardFromString("a", 4, ""))
	for i := range made {
		env := cluster.Envelope{Shard: shard, Kind: "account", Key: "a", Type: fmt.Sprint("made-up-", i)}
		if _, err := r.tr.Request(t.Context(), env); !errors.Is(err, cluster.ErrUnknownType) {
			t.Fatalf("got %v, want ErrUnknownType", err)
		}
	}
	if _, err := r.key("a").Request(t.Context(), deposit{}); err != nil {
		t.Fatal(err)
	}
	r.stop()
	want(t, r.reg, []sample{
		{"handlers_total", "account,unknown,not_started,false", made}, {"handler_duration_seconds", "account,unknown", made},
		{"handlers_total", "account,deposit,succeeded,true", 1}, {"handler_duration_seconds", "account,deposit", 1},
	})
	for _, s := range gather(t, r.reg) {
		if strings.Contains(s.labels, "made-up") || strings.Contains(s.labels, "other") {
			t.Errorf("there is a series %s{%s}", s.name, s.labels)
		}
	}
}

func TestErrorTypes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		ctx := context.Background()

		// deadline: the caller's deadline ends while the handler runs.
		short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		defer cancel()
		if _, err := r.key("a").Request(short, block{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v, want DeadlineExceeded", err)
		}
		<-r.blocked
		// expired: the TTL does.
		if _, err := r.key("b").Request(ctx, block{}, cluster.WithTTL(20*time.Millisecond)); !errors.Is(err, cluster.ErrEnvelopeExpired) {
			t.Fatalf("got %v, want ErrEnvelopeExpired", err)
		}
		<-r.blocked
		r.stop()
		if _, err := r.key("a").Request(ctx, deposit{}); !errors.Is(err, cluster.ErrTransportNoShardSubscriber) {
			t.Fatalf("got %v, want ErrTransportNoShardSubscriber", err)
		}
		_ = r.tr.Close()
		if err := r.key("a").Notify(ctx, touch{}); !errors.Is(err, cluster.ErrTransportClosed) {
			t.Fatalf("got %v, want ErrTransportClosed", err)
		}
		if err := r.key("").Notify(ctx, touch{}); !errors.Is(err, cluster.ErrKeyRequired) {
			t.Fatalf("got %v, want ErrKeyRequired", err)
		}
		for _, name := range []string{"deadline", "expired", "no_subscriber", "transport_closed", "key_required"} {
			if v := value(t, r.reg, "transport_errors_total", name); v != 1 {
				t.Errorf("%s counted %v times, want once", name, v)
			}
		}
	})
}
