package cluster_test

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/membership/memstore"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/memtransport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// leaveAt asks a node to leave at its nth operation on store or transport: before it
// begins, or when it has been done.
type leaveAt struct {
	left  atomic.Int64
	after bool
	leave context.CancelFunc
}

func (l *leaveAt) operation() (end func()) {
	switch now := l.left.Add(-1) == 0; {
	case now && l.after:
		return l.leave
	case now:
		l.leave()
	}
	return func() {}
}

// leaving is a transport, and a store, of such a node.
type (
	leavingMemory struct {
		*memtransport.Transport
		at *leaveAt
	}
	leavingNATS struct {
		*natstransport.Transport
		at *leaveAt
	}
	leavingStore struct {
		membership.Store
		at *leaveAt
	}
)

func (t leavingMemory) Backend() dispatch.Backend { return leavingBackend{t.Transport.Backend(), t.at} }

func (t leavingNATS) Backend() dispatch.Backend { return leavingBackend{t.Transport.Backend(), t.at} }

type leavingBackend struct {
	dispatch.Backend
	at *leaveAt
}

func (b leavingBackend) Subscribe(ctx context.Context, shard uint32, to dispatch.Subscriber) (*dispatch.Sub, error) {
	defer b.at.operation()()
	return b.Backend.Subscribe(ctx, shard, to)
}

func (b leavingBackend) ServeOwners(ctx context.Context, o dispatch.Owners) (transport.Subscription, error) {
	defer b.at.operation()()
	return b.Backend.ServeOwners(ctx, o)
}

func (s leavingStore) Write(ctx context.Context, key string, rev uint64, value []byte) (uint64, error) {
	defer s.at.operation()()
	return s.Store.Write(ctx, key, rev, value)
}

func (s leavingStore) Read(ctx context.Context, key string) (membership.Entry, error) {
	defer s.at.operation()()
	return s.Store.Read(ctx, key)
}

func (s leavingStore) Snapshot(ctx context.Context, prefix string) ([]membership.Entry, uint64, error) {
	defer s.at.operation()()
	return s.Store.Snapshot(ctx, prefix)
}

func (s leavingStore) Watch(f func(membership.Entry)) (func(), error) {
	defer s.at.operation()()
	return s.Store.Watch(f)
}

// TestLeaveAtAnyMomentOfAStart is a clean leave: Run returns nil, whatever the node
// was about to do. With live and with fixed shards, on both transports.
func TestLeaveAtAnyMomentOfAStart(t *testing.T) {
	url := testkit.StartNATS(t)
	memory := func(t *testing.T, at *leaveAt) cluster.ServerTransport {
		tr := memtransport.New(memtransport.Options{}).WithLog(quiet)
		t.Cleanup(func() { _ = tr.Close() })
		return leavingMemory{tr, at}
	}
	var clusters atomic.Int64 // each start is one of its own
	overNATS := func(t *testing.T, at *leaveAt) cluster.ServerTransport {
		tr, err := natstransport.Open(t.Context(), natstransport.Options{URL: url, Log: quiet, Prefix: fmt.Sprint("start-", clusters.Add(1))})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = tr.Close() })
		return leavingNATS{tr, at}
	}
	for _, way := range []struct {
		name      string
		transport func(*testing.T, *leaveAt) cluster.ServerTransport
		in        func(*testing.T, func(*testing.T))
	}{
		{"memory", memory, synctest.Test},
		{"NATS", overNATS, func(t *testing.T, f func(*testing.T)) { f(t) }},
	} {
		for _, live := range []bool{true, false} {
			// leaving is a node that leaves at its nth operation, or when it is ready. It connects
			// now, and runs when asked to.
			leaving := func(t *testing.T, n int64, after bool) (run func() (operations int64)) {
				ctx, leave := context.WithCancel(context.Background())
				at := &leaveAt{after: after, leave: leave}
				at.left.Store(n)
				opts := cluster.NodeOptions{NodeID: "a", NumShards: 4, Handler: echoData, Log: quiet, Transport: way.transport(t, at)}
				if live {
					opts.Membership = leavingStore{memstore.New(), at}
				} else {
					opts.Shards = []uint32{0, 1, 2, 3}
				}
				node := cluster.NewNode(opts)
				return func() int64 {
					ended := make(chan error, 1)
					go func() { ended <- node.Run(ctx) }() // ends with leave
					select {
					case err := <-ended:
						if err != nil {
							t.Errorf("operation %d, after %v: the node ends with %v", n, after, err)
						}
						return 0
					case <-node.Ready():
						operations := n - at.left.Load()
						leave()
						if err := <-ended; err != nil {
							t.Errorf("operation %d, after %v: the node was ready, and ends with %v", n, after, err)
						}
						return operations
					}
				}
			}
			t.Run(fmt.Sprintf("%s, live %v", way.name, live), func(t *testing.T) {
				var operations int64
				way.in(t, func(t *testing.T) { operations = leaving(t, math.MaxInt64, false)() })
				if operations < 4 {
					t.Fatalf("a start is %d operations", operations)
				}
				for _, after := range []bool{true, false} {
					way.in(t, func(t *testing.T) {
						var all sync.WaitGroup
						for n := range operations {
							run := leaving(t, n+1, after)
							all.Go(func() { run() }) // over NATS each waits a second for owners
						}
						all.Wait()
					})
				}
			})
		}
	}
}
