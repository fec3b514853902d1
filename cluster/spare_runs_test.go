package cluster_test

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport/natstransport"
)

func spareCalls(t *testing.T, seed uint64, calls int, host spareHost, node, client cluster.Transport) {
	s := &spares{host: host, far: node != client}
	nodes, clients := cluster.NodeOptions{
		NodeID: "node-1", Transport: node, NumShards: 4, Shards: []uint32{0, 1, 2, 3},
		BaseContext: context.WithValue(context.Background(), spareBase{}, "base"),
	}, cluster.ClientOptions{Transport: client, NumShards: 4}
	var end func()
	switch host {
	case spareTyped, spareFuncs, spareSeen:
		var opts cluster.HandlerOptions
		if host == spareSeen {
			opts.Around = s.around
		}
		nodes.Handler = cluster.NewActorHandlerWithOpts(s.define().New, opts)
		if host == spareFuncs {
			nodes.Handler = cluster.NewKeyHandler(func(string) (cluster.ServerHandlerFunc, error) { return s.spareFunc, nil })
		}
		end = startNode(t, nodes)
		s.key = newClient(t, clients).Key
	default:
		end = s.startDurable(t, seed, nodes)
		s.key = newClient(t, clients).Kind("spare").Key
	}
	var stop atomic.Bool
	var ghosts, callers sync.WaitGroup
	for range 2 {
		ghosts.Go(func() { s.haunt(&stop) })
	}
	for c := range 4 {
		r := rand.New(rand.NewPCG(seed, uint64(c)))
		callers.Go(func() { s.caller(c<<20, calls, r) })
	}
	callers.Wait()
	stop.Store(true)
	ghosts.Wait()
	end() // some callers have left, and sent notifications: their handlers may have yet to run
	s.late.Wait()
	if f := s.fault.Load(); f != nil {
		t.Error(*f)
	}
}

func TestNothingOfACallReachesAnother(t *testing.T) {
	for host, what := range spareHosts {
		t.Run(what, func(t *testing.T) { spareInMemory(t, uint64(host)+1, 200, spareHost(host)) })
	}
	url := testkit.StartNATS(t)
	for host, what := range spareHosts {
		t.Run(what+" over NATS", func(t *testing.T) {
			var ends [2]*natstransport.Transport
			for i := range ends {
				tr, err := natstransport.Open(t.Context(), natstransport.Options{URL: url, Prefix: strings.ReplaceAll(what, " ", "-"), Log: quiet})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = tr.Close() })
				ends[i] = tr
			}
			spareCalls(t, 3, 40, spareHost(host), ends[0], ends[1])
		})
	}
}

func spareInMemory(t *testing.T, seed uint64, calls int, host spareHost) {
	tr := cluster.NewInMemoryTransport().WithLog(quiet)
	t.Cleanup(func() { _ = tr.Close() })
	spareCalls(t, seed, calls, host, tr, tr)
}

func FuzzNothingOfACallReachesAnother(f *testing.F) {
	for seed := range uint64(len(spareHosts)) {
		f.Add(seed, uint8(seed))
	}
	f.Fuzz(func(t *testing.T, seed uint64, host uint8) {
		spareInMemory(t, seed, 50, spareHost(int(host)%len(spareHosts)))
	})
}
