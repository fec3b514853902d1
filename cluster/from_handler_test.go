package cluster_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/membership/memstore"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/memtransport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// TestEndedFromAHandler: a handler, or a hook, that ends the node or the transport that
// it runs on would wait for itself. It is told so at once.
func TestEndedFromAHandler(t *testing.T) {
	type ends interface{ Close() error }
	silent := slog.New(slog.DiscardHandler)
	test := func(t *testing.T, tr interface {
		cluster.ServerTransport
		cluster.ClientTransport
	}) {
		var stop func() error
		ended := make(chan [2]error, 10)
		try := func(*struct{}, *actor.Context) error {
			ended <- [2]error{stop(), ends(tr).Close()}
			return nil
		}
		def := actor.Define("closer", func(string) *struct{} { return new(struct{}) },
			actor.OnActivate(try), actor.OnPassivate(try),
			actor.OnRequest(func(e *struct{}, c *actor.Context, _ where) (done, error) { return done{}, try(e, c) }))
		node := cluster.NewNode(cluster.NodeOptions{
			NodeID: "a", Transport: tr, NumShards: 1, Shards: []uint32{0}, Log: silent,
			Handler: cluster.NewActorHandler(def.New), Kinds: map[string]cluster.ServerHandlerFunc{
				"func": func(context.Context, cluster.Envelope) ([]byte, error) { return nil, try(nil, nil) },
			},
		})
		var err error
		if stop, err = node.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		client, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: 1})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := cluster.NewRequest[where, done](client.Key("key")).Request(t.Context(), where{}); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Kind("func").Key("key").RequestRaw(t.Context(), "x", nil); err != nil {
			t.Fatal(err)
		}
		own := make(chan error, 1)
		go func() { own <- stop() }() // as a handler may, if it does not wait
		if err := <-own; err != nil {
			t.Errorf("stop: %v", err)
		}
		if err := tr.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		for _, from := range []string{"OnActivate", "a method", "a func", "OnPassivate"} {
			for _, err := range <-ended {
				if !errors.Is(err, cluster.ErrFromHandler) || cluster.OutcomeOf(err) != cluster.NotSent {
					t.Errorf("from %s: %v (%v)", from, err, cluster.OutcomeOf(err))
				}
			}
		}
		t.Logf("took %v", time.Since(began))
	}
	t.Run("memory", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			test(t, memtransport.New(memtransport.Options{HandlerTimeout: -1}).WithLog(silent))
			if took := time.Since(began); took != 0 {
				t.Errorf("it took %v", took)
			}
		})
	})
	t.Run("nats", func(t *testing.T) {
		tr, err := natstransport.Open(t.Context(), natstransport.Options{URL: testkit.StartNATS(t), HandlerTimeout: -1, Log: silent})
		if err != nil {
			t.Fatal(err)
		}
		test(t, tr)
	})
}

// TestUnsubscribedFromAHandler: the same of a subscription, for a program that uses a transport
// without a node.
func TestUnsubscribedFromAHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := memtransport.New(memtransport.Options{HandlerTimeout: -1})
		var sub transport.Subscription
		told := make(chan error, 2)
		sub, err := tr.SubscribeShard(t.Context(), 0, func(ctx context.Context, _ transport.Envelope) ([]byte, error) {
			told <- sub.Unsubscribe()
			told <- sub.(*dispatch.Sub).Drain(ctx)
			return nil, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tr.Request(t.Context(), transport.Envelope{Type: "x"}); err != nil {
			t.Error(err)
		}
		for _, what := range []string{"Unsubscribe", "Drain"} {
			if err := <-told; !errors.Is(err, outcome.ErrFromHandler) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestStartGivenUpInAHandler: a handler that starts a node on its own transport, and
// gives it up before it is ready, leaves none behind.
func TestStartGivenUpInAHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := memtransport.New(memtransport.Options{}).WithLog(quiet)
		store := &silentStore{Store: memstore.New()}
		store.silent.Store(true)
		second := cluster.NewNode(cluster.NodeOptions{NodeID: "second", Transport: tr, Handler: echoData, Log: quiet, Membership: store})
		stop := startNode(t, cluster.NodeOptions{NodeID: "first", Transport: tr, NumShards: 1, Shards: []uint32{0},
			Handler: func(context.Context, cluster.Envelope) ([]byte, error) {
				ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
				defer cancel()
				stop, err := second.Start(ctx)
				if stop != nil || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Start: %v", err)
				}
				return nil, nil
			}})
		if _, err := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 1}).RequestKey(t.Context(), "k", "Start", nil); err != nil {
			t.Error(err)
		}
		select {
		case <-second.Ended():
		case <-time.After(time.Hour):
			panic("a node that was given up goes on, and nobody can stop it")
		}
		stop()
		_ = tr.Close()
	})
}
