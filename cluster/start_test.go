package cluster_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/membership/memstore"
)

func open(c <-chan struct{}) bool {
	select {
	case <-c:
		return false
	default:
		return true
	}
}

// TestStart: the node serves when Start returns, whatever becomes of its context,
// until stop, which drains it.
func TestStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := cluster.NewInMemoryTransport()
		defer tr.Close()
		node := cluster.NewNode(cluster.NodeOptions{
			Transport: tr, NumShards: 4, Membership: memstore.New(), Log: slog.New(slog.DiscardHandler),
			Handler: func(_ context.Context, env cluster.Envelope) ([]byte, error) {
				time.Sleep(time.Second)
				return env.Data, nil
			},
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		stop, err := node.Start(ctx)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		client, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: 4})
		if err != nil {
			t.Fatal(err)
		}
		answered := make(chan error, 1)
		go func() { // ends with the call
			_, err := client.RequestKey(t.Context(), "k", "Echo", []byte("x"))
			answered <- err
		}()
		synctest.Wait()
		stopped := make(chan error, 1)
		go func() { stopped <- stop() }() // a further call waits for the first
		synctest.Wait()
		if !open(node.Ended()) {
			t.Error("the node has ended while a handler runs")
		}
		if err := errors.Join(stop(), <-stopped, <-answered); err != nil || open(node.Ended()) {
			t.Errorf("ends with %v", err)
		}
		if _, err := node.Start(t.Context()); !errors.Is(err, cluster.ErrBadOption) {
			t.Errorf("a second start: %v", err)
		}
	})
}

// TestStartFails: what does not start has ended when Start returns.
func TestStartFails(t *testing.T) {
	for name, test := range map[string]struct {
		opts  cluster.NodeOptions
		leave bool
		want  error
	}{
		"a bad option":             {cluster.NodeOptions{}, false, cluster.ErrBadOption},
		"no answer from the store": {cluster.NodeOptions{Membership: &link{Store: memstore.New()}}, false, context.DeadlineExceeded},
		"a transport that breaks":  {cluster.NodeOptions{Transport: &brokenTransport{broken: make(chan struct{})}}, false, errBroken},
		"asked to leave meanwhile": {cluster.NodeOptions{Membership: memstore.New()}, true, cluster.ErrDraining},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tr := cluster.NewInMemoryTransport()
				defer tr.Close()
				opts := test.opts
				if opts.Transport == nil {
					opts.Transport = tr
				}
				if name != "a bad option" {
					opts.NumShards, opts.Handler = 4, echoData
				}
				if opts.Membership == nil {
					opts.Shards = []uint32{0, 1, 2, 3}
				}
				opts.NodeID, opts.Log = "a", slog.New(slog.DiscardHandler)
				if l, ok := opts.Membership.(*link); ok {
					l.cut.Store(true)
				}
				if test.leave {
					opts.Membership = leaving{opts.Membership}
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				node := cluster.NewNode(opts)
				stop, err := node.Start(ctx)
				if stop != nil || !errors.Is(err, test.want) || errors.Is(err, cluster.ErrDraining) != test.leave {
					t.Errorf("%v, want %v", err, test.want)
				}
				<-node.Ended()
			})
		})
	}
}

// leaving is a store in which each node is asked to leave as soon as it joins.
type leaving struct{ membership.Store }

func (s leaving) Write(ctx context.Context, key string, rev uint64, value []byte) (uint64, error) {
	now, err := s.Store.Write(ctx, key, rev, value)
	if _, ok := record.ParseMemberKey(key); !ok || rev > 0 || err != nil {
		return now, err
	}
	m, err := record.Decode[record.Member](value)
	if err != nil {
		return now, err
	}
	m.State, m.Born = record.Leaving, now
	wish, err := json.Marshal(m)
	if err == nil {
		_, err = s.Store.Write(ctx, key, now, wish)
	}
	return now, err
}

var errBroken = errors.New("the connection was closed")

// brokenTransport ends for good while a node subscribes, and tells it so.
type brokenTransport struct{ broken chan struct{} }

func (b *brokenTransport) SubscribeShard(ctx context.Context, _ uint32, _ cluster.ServerHandlerFunc) (cluster.Subscription, error) {
	dispatch.LifetimeFrom(ctx).Report(errBroken)
	close(b.broken)
	<-ctx.Done()
	return nil, ctx.Err()
}

func (b *brokenTransport) Broken() <-chan struct{} { return b.broken }
func (b *brokenTransport) Close() error            { return nil }

// TestStartWithAnEndedContext: nothing has begun, and another Start may.
func TestStartWithAnEndedContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := cluster.NewInMemoryTransport()
		defer tr.Close()
		node := cluster.NewNode(cluster.NodeOptions{Transport: tr, NumShards: 4, Membership: memstore.New(), Handler: echoData, Log: slog.New(slog.DiscardHandler)})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := node.Start(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		stop, err := node.Start(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}
