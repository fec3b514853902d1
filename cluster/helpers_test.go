package cluster_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/testkit"
)

var quiet = slog.New(slog.DiscardHandler)

// noLeaseEnds is the timing of a live cluster whose nodes are not to die. A busy machine must not cost a node its lease.
var noLeaseEnds = func() membership.Timing {
	t := testkit.LiveTiming
	t.Lease = 20 * time.Second
	return t
}()

// startNode runs a node until stop is called or the test ends. stop is
// idempotent and waits.
func startNode(t testing.TB, opts cluster.NodeOptions) (stop func()) {
	t.Helper()
	if opts.Log == nil {
		opts.Log = quiet
	}
	node := cluster.NewNode(opts)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- node.Run(ctx) }() // ends with stop
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("node %s: %v", node.ID(), err)
		}
	})
	select {
	case <-node.Ready():
	case err := <-ended:
		t.Fatalf("node %s: %v", node.ID(), err)
	}
	t.Cleanup(stop)
	return stop
}

// serve is a cluster of one node with four shards, and a client of it.
func serve(t testing.TB, h cluster.ServerHandlerFunc, with ...func(*cluster.NodeOptions, *cluster.ClientOptions)) *cluster.Client {
	t.Helper()
	tr := cluster.NewInMemoryTransport().WithLog(quiet)
	t.Cleanup(func() { _ = tr.Close() })
	n := cluster.NodeOptions{NodeID: "node-1", Transport: tr, NumShards: 4, Shards: []uint32{0, 1, 2, 3}, Handler: h}
	c := cluster.ClientOptions{Transport: tr, NumShards: 4}
	for _, f := range with {
		f(&n, &c)
	}
	startNode(t, n)
	return newClient(t, c)
}

func newClient(t testing.TB, opts cluster.ClientOptions) *cluster.Client {
	t.Helper()
	client, err := cluster.NewClient(opts)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// fakeTransport answers with a func, and keeps what it was sent.
type fakeTransport struct {
	reply func(ctx context.Context, try int, env cluster.Envelope) ([]byte, error)

	mu   sync.Mutex
	sent []cluster.Envelope
}

func (f *fakeTransport) Request(ctx context.Context, env cluster.Envelope) ([]byte, error) {
	f.mu.Lock()
	f.sent = append(f.sent, env)
	try := len(f.sent)
	f.mu.Unlock()
	return f.reply(ctx, try, env)
}

func (f *fakeTransport) Close() error { return nil }

func (f *fakeTransport) tries() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.sent)
}

// echoData returns what it gets.
func echoData(_ context.Context, env cluster.Envelope) ([]byte, error) { return env.Data, nil }

// wantError fails the test unless err is of the given sentinel and outcome.
func wantError(t testing.TB, err, sentinel error, o cluster.Outcome) {
	t.Helper()
	if !errors.Is(err, sentinel) || cluster.OutcomeOf(err) != o {
		t.Errorf("got %v (%v), want %v (%v)", err, cluster.OutcomeOf(err), sentinel, o)
	}
}
